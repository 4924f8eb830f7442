#!/usr/bin/env bash
# Installs what dist/ holds on a bare Debian in a folder (mmdebstrap, as root): the Debian package, then the wheel. Each
# must bring up a cloud that answers, and the package must leave nothing but the data when it is purged.
set -euo pipefail
cd "$(dirname "$0")/.."
die() { echo "test-packages: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || die "needs root"
command -v mmdebstrap >/dev/null || die "mmdebstrap is missing (apt-get install mmdebstrap)"
. /etc/os-release
deb=$(ls dist/trivet_*.deb) && wheel=$(ls dist/trivet-*.whl)
work=$(mktemp -d)
bare=$work/bare
trap 'umount -q "$bare/proc" || true; rm -rf "$work"' EXIT
say() { printf '== %s\n' "$*"; }

say "a bare $VERSION_CODENAME"
mmdebstrap --quiet --variant=apt --include=python3,adduser,ca-certificates "$VERSION_CODENAME" "$bare"
mount -t proc proc "$bare/proc"
cp /etc/resolv.conf "$bare/etc/"
[ ! -d /etc/pip.conf.d ] && [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$bare/etc/"
# Whom this machine trusts, an authority of its own included, is trusted in there.
cp /etc/ssl/certs/ca-certificates.crt "$bare/etc/ssl/certs/"
cp "$deb" "$wheel" "$bare/root/"
inside() { chroot "$bare" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }

cloud() { # COMMAND: brings up a cloud with it, asks it how it is, and stops it
    inside sh -ec '
        port=$(python3 -c "import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); print(s.getsockname()[1])")
        "$1" up --sim --data /var/lib/trivet --listen 127.0.0.1:$port > /tmp/said 2>&1 & pid=$!
        for _ in $(seq 120); do grep -q ^ready /tmp/said && break; sleep 1; done
        "$1" status --data /var/lib/trivet || { cat /tmp/said; kill $pid; exit 1; }
        kill $pid; wait $pid' - "$1"
}

say "the Debian package"
inside dpkg -i "/root/$(basename "$deb")"
inside dpkg --verify trivet
cloud trivet
inside systemd-analyze --version >/dev/null 2>&1 && inside systemd-analyze verify /usr/lib/systemd/system/trivet*.service
inside dpkg -P trivet
[ ! -e "$bare/usr/lib/trivet" ] && [ ! -e "$bare/usr/bin/trivet" ] && [ ! -e "$bare/etc/trivet" ] || die "purged, and left files"
[ -f "$bare/var/lib/trivet/trivet.db" ] || die "the purge took the data along"

say "the wheel, on the same data"
inside apt-get -qq update
inside apt-get -qq install --no-install-recommends -y python3-venv >/dev/null
inside python3 -m venv /opt/trivet
inside /opt/trivet/bin/pip install --quiet --cert /etc/ssl/certs/ca-certificates.crt --disable-pip-version-check "/root/$(basename "$wheel")"
cloud /opt/trivet/bin/trivet
say "all well"
