#!/usr/bin/env bash
# Builds a wheel and a source archive into dist/, from the sources alone, in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
rm -rf dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check build
"$work/venv/bin/python" -m build --outdir dist . >/dev/null
ls dist
