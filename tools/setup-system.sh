#!/bin/bash
# Installs the Debian packages that real engines need. Quick and silent about it when all is there.
#
#   tools/setup-system.sh [--check] [run|test|rack]...     (no purpose named: run)
#
# --check installs nothing: it prints the names that are missing and exits 1 if there are any.
set -euo pipefail

# What a cloud with real engines runs on, and what the two small images are built from.
RUN=(
    qemu-system-x86 qemu-utils qemu-block-extra ovmf seabios ipxe-qemu
    openvswitch-switch ovn-central ovn-host
    podman runc conmon skopeo
    iproute2 iptables ethtool procps kmod util-linux e2fsprogs fuse2fs
    busybox-static dropbear-bin netcat-openbsd qemu-guest-agent cpio zstd fdisk dosfstools mtools
    syslinux syslinux-common systemd-boot-efi
    python3 python3-venv git make ca-certificates openssl
)
# What a rack of emulated machines stands on, and what its deploy ramdisk is built from.
RACK=(
    libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients python3-libvirt gdisk dnsmasq-base genisoimage
    grub-efi-amd64-bin grub-common binutils
)
# What the tests look at it with, and the second database.
TEST=(
    tcpdump iputils-ping iputils-arping iperf3 socat curl openssh-client conntrack
    postgresql-15 haproxy xorriso binutils docker-registry xfsprogs
)

say() { printf '%s\n' "setup-system: $*" >&2; }

die() {
    say "$*"
    exit 1
}

missing_of() { # names -> those that are not installed
    local name
    declare -A have=()
    while read -r name; do have[$name]=1; done < <(
        dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | awk '$2 == "installed" { print $1 }'
    )
    for name in "$@"; do [ -n "${have[$name]:-}" ] || echo "$name"; done
}

check=no
wanted=()
for argument in "$@"; do
    case $argument in
        --check) check=yes ;;
        run) wanted+=("${RUN[@]}") ;;
        test) wanted+=("${RUN[@]}" "${TEST[@]}") ;;
        rack) wanted+=("${RACK[@]}") ;;
        *) die "unknown argument '$argument'; usage: tools/setup-system.sh [--check] [run|test]..." ;;
    esac
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${RUN[@]}")

command -v dpkg-query >/dev/null || die "this is no Debian: install the likes of these yourself: ${wanted[*]}"
mapfile -t missing < <(missing_of "${wanted[@]}" | sort -u)
if [ $check = yes ]; then
    [ ${#missing[@]} -eq 0 ] && exit 0
    printf '%s\n' "${missing[@]}"
    exit 1
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "needs root to install: ${missing[*]} (become root, or install sudo)"
    as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)

say "installing ${#missing[@]} packages: ${missing[*]}"
"${apt[@]}" update -q >&2 || say "apt-get update failed; trying with the package lists there are"

unknown=()
for name in "${missing[@]}"; do
    # No pipe into `grep -q`: it leaves early, apt-cache dies of that, and pipefail would call the package unknown.
    [[ $(apt-cache policy "$name" 2>/dev/null) == *"Candidate: "[!\(]* ]] || unknown+=("$name")
done
[ ${#unknown[@]} -eq 0 ] || die "no such packages here (Debian 12 has them; look at /etc/apt/sources.list): ${unknown[*]}"

"${apt[@]}" install -y -q --no-install-recommends "${missing[@]}" >&2 || say "apt-get install failed"
mapfile -t missing < <(missing_of "${missing[@]}")
[ ${#missing[@]} -eq 0 ] || die "could not install: ${missing[*]}"
say "done"
