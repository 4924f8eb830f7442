#!/bin/bash
# Installs what a rack of emulated machines needs and what is no Debian package, in an environment of its own:
#
#   tools/build-rack.sh OUTDIR  ->  OUTDIR/rack/bin/sushy-emulator (management controllers that speak Redfish)
#
# Does nothing when it is there. The controllers find libvirt by Debian's python3-libvirt.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: tools/build-rack.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)

[ -e "$out/rack/.ready" ] && exit 0
echo "build-rack: sushy-tools in $out/rack" >&2
rm -rf "${out:?}/rack"
/usr/bin/python3 -m venv --system-site-packages "$out/rack"
"$out/rack/bin/pip" install --quiet --disable-pip-version-check sushy-tools==2.2.0
[ -x "$out/rack/bin/sushy-emulator" ]
touch "$out/rack/.ready"
