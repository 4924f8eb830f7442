#!/usr/bin/env bash
# Shows the main job: one network, one VM and one container by the same `openstack server create`, and
# each pinging the other. Stays up until Ctrl-C. A second run finds everything made and is quick.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-build}
exec "$here/.venv/bin/python" "$here/tools/first_light.py" "$here/$build"
