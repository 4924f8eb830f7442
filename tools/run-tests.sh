#!/usr/bin/env bash
# Every test, in two halves side by side: one computes, the other mostly waits for guests that start. Lines of the half
# with engines are marked. Each half ends with pytest's own closing line, and the worse of the two is the answer.
# TRIVET_REQUIRE_ENGINES=1 makes a missing engine a failure instead of a skip.
set -euo pipefail
cd "$(dirname "$0")/.."
py=.venv/bin/python
# One seed, one history: the order of a set must not depend on the run.
export PYTHONHASHSEED=0
began=$SECONDS
say() { printf '\n\033[1m== %s (%d s)\033[0m\n' "$1" $((SECONDS - began)); }

# A test that hangs fails by its name (pyproject.toml, timeout); whatever else hangs does not keep who waits for all.
half() { timeout --kill-after=60 "$1" "$py" -m pytest --durations=12 "${@:2}" tests; }

say "rules, stores, dialects, the house; beside them engines, packets and real clients"
# Another run may have the engines; this one waits for it for up to half an hour (tests/drivers/turn.py).
half 80m --timeout=900 -m "(dataplane or contract) and not rack" 2>&1 | sed -u 's/^/engines | /' &
engines=$!
trap 'kill -- $(jobs -p) 2>/dev/null || true' EXIT
half 75m -n 2 -m "not dataplane and not contract" || rules=$?
say "the rules are through; the engines go on"
wait "$engines" || engines_end=$?
trap - EXIT
[ "${rules:-0}" = 0 ] && [ "${engines_end:-0}" = 0 ] || { say "failed: see above"; exit 1; }
say "all passed"
