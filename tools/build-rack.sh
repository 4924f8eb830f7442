#!/bin/bash
# Installs what a rack of emulated machines needs and what is no Debian package, each in an environment of its own:
#
#   tools/build-rack.sh OUTDIR  ->  OUTDIR/rack/bin/sushy-emulator (management controllers that speak Redfish),
#                                   OUTDIR/ironic/bin/ironic (the engine that deploys machines)
#
# Does nothing when both are there. The controllers find libvirt by Debian's python3-libvirt.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: tools/build-rack.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)

installed() { # environment, program, options of venv, packages
    local where=$1 program=$2 options=$3
    shift 3
    [ -e "$out/$where/.ready" ] && return
    echo "build-rack: $* in $out/$where" >&2
    rm -rf "${out:?}/$where"
    # shellcheck disable=SC2086 # options are words
    /usr/bin/python3 -m venv $options "$out/$where"
    "$out/$where/bin/pip" install --quiet --disable-pip-version-check "$@"
    [ -x "$out/$where/bin/$program" ]
    touch "$out/$where/.ready"
}

installed rack sushy-emulator --system-site-packages sushy-tools==2.2.0
installed ironic ironic "" ironic==39.0.0
