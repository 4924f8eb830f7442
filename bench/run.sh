#!/bin/sh
# Measure speed and size on SQLite and on PostgreSQL, and write the figures into docs/performance.md.
#   OSBENCH=path/to/osbench.py make bench
# BENCH_REPEAT (3), BENCH_SECS (6), BENCH_RACES (20) and BENCH_DATABASES ("sqlite postgres") shorten or prolong it.
set -eu
cd "$(dirname "$0")/.."
if [ ! -f "${OSBENCH:-}" ]; then
    echo "bench: say where the load harness lies: OSBENCH=path/to/osbench.py make bench" >&2
    exit 2
fi
exec "${PY:-.venv/bin/python}" -m bench.run
