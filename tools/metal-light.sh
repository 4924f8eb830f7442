#!/usr/bin/env bash
# Shows a physical machine as a server: a rack of emulated machines, their enrolment and inspection, and one of them
# deployed beside a VM and a container. Stays up until Ctrl-C.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-build}
exec "$here/.venv/bin/python" "$here/tools/metal_light.py" "$here/$build"
