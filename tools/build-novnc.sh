#!/usr/bin/env bash
# Unpacks noVNC (the VNC client for browsers) from Debian's package into OUTDIR, without what the package pulls in
# for a proxy of its own: the cloud has its own. A quick no-op when it is there.
set -euo pipefail
out=${1:?usage: build-novnc.sh OUTDIR}
[ -f "$out/core/rfb.js" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -o APT::Sandbox::User=root download -q novnc >/dev/null && dpkg-deb -x novnc_*.deb unpacked)
mkdir -p "$out"
cp -r "$work"/unpacked/usr/share/novnc/. "$out/"
echo "build-novnc: made $out"
