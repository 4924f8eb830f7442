#!/bin/bash
# Builds what a physical machine boots while it is inspected, deployed or erased: Ironic's agent in a small Linux, from
# Debian packages and PyPI alone, without root and without mounting:
#
#   tools/build-ramdisk.sh OUTDIR [virtual]  ->  OUTDIR/ipa.kernel, OUTDIR/ipa.initramfs, OUTDIR/esp.img
#
# esp.img is the EFI half of the CD that the engine makes of the other two for a machine's management controller. With
# "virtual" there are drivers for QEMU's machines only, which is what a rack in the lab needs; without, for every disk
# and network card that Debian's kernel knows. Does nothing when all is there and nothing it is made of has changed.
#
# Every byte is read through a management controller and unpacked before anything starts, so what is in it is said by
# name: programs of PROGRAMS, the libraries they need, Python without sources, and busybox for the rest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { [ $# -eq 2 ] && [ "$2" = virtual ]; } || { echo "usage: tools/build-ramdisk.sh OUTDIR [virtual]" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
drivers=${2:-all}
RESULTS="ipa.kernel ipa.initramfs esp.img"

PACKAGES="libc6 libc-bin libudev1 python3-minimal libpython3-stdlib libgcc-s1 libstdc++6 busybox-static coreutils udev kmod iproute2
    util-linux util-linux-extra mount bsdextrautils fdisk gdisk parted e2fsprogs dosfstools mdadm dmsetup hdparm nvme-cli
    smartmontools lshw dmidecode pciutils efibootmgr ipmitool qemu-utils file ethtool tar psmisc"
PROGRAMS="python3.11 ldconfig dd cp du sync readlink tar udevadm kmod ip ethtool
    lsblk wipefs blockdev blkid partx lscpu findmnt findfs blkdiscard mount umount mkswap hwclock hexdump
    sfdisk sgdisk parted partprobe mke2fs e2fsck resize2fs mkfs.fat mdadm dmsetup hdparm nvme smartctl
    lshw dmidecode lspci efibootmgr ipmitool qemu-img file fuser"
# The agent never asks for these parts of what it is made with.
AGENT_UNUSED="setuptools pkg_resources _distutils_hack distutils-precedence.pth tzdata bin etc
    ironic_python_agent/tests netaddr/eui/oui.txt netaddr/eui/iab.txt"
PYTHON_UNUSED="test idlelib lib2to3 ensurepip pydoc_data distutils tkinter turtledemo venv"
MODULES="virtio_pci virtio_net virtio_blk virtio_scsi virtio_rng e1000 e1000e igb ahci ata_piix nvme sd_mod sr_mod sg
    usb_storage uas xhci_pci ehci_pci uhci_hcd usbhid hid_generic isofs vfat nls_ascii nls_cp437 ext4 loop dm_mod
    md_mod raid0 raid1 raid10 raid456 8021q bonding efivarfs button evdev ipmi_si ipmi_devintf i2c_piix4"
DRIVER_FOLDERS="net/ethernet scsi ata nvme message char/ipmi usb/host usb/storage hid infiniband"
PATH=$PATH:/usr/sbin:/sbin

say() { echo "build-ramdisk: $*" >&2; }

all_there() { for result in $RESULTS; do [ -e "$out/$result" ] || return 1; done; }

absent=()
for tool in apt-get dpkg-deb cpio depmod zstd mkfs.fat mcopy grub-mkstandalone strip unshare; do
    command -v $tool >/dev/null || absent+=("$tool")
done
[ ${#absent[@]} -eq 0 ] || { say "missing: ${absent[*]}"; exit 1; }
[ "$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ] || {
    say "needs /usr/bin/python3 to be 3.11, as in the ramdisk: what the agent is made of is compiled for it"
    exit 1
}

# --- what it is made of. With an empty state, apt tells the whole list of packages, whatever this machine has.
work=$(mktemp -d "$out/.ramdisk.XXXXXX")
trap 'rm -rf "$work"' EXIT
debs=$out/.packages
mkdir -p "$debs/partial" "$work/none/partial"
: > "$work/state"
apt=(apt-get -qq -y -o Dir::State::status="$work/state" -o Dir::Cache::archives="$debs" -o Debug::NoLocking=1
    -o APT::Install-Recommends=0 -o APT::Sandbox::User= -o Dpkg::Use-Pty=0)
kernel_package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
if [ -z "$kernel_package" ]; then
    ! all_there || { say "no package lists here; keeping the ramdisk there is"; exit 0; }
    say "no kernel package known; run apt-get update first"
    exit 1
fi
kernel_version=$(apt-cache policy "$kernel_package" | awk '/Candidate:/ { print $2 }')
release=${kernel_package#linux-image-}
# shellcheck disable=SC2086
"${apt[@]}" -o Dir::Cache::archives="$work/none" --print-uris install $PACKAGES > "$work/uris" # what is not in a cache
key=$({
    cat "$here/build-ramdisk.sh"
    (cd "$here/ramdisk" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    echo "$kernel_package $kernel_version $drivers"
    sort "$work/uris"
} | sha256sum | cut -c1-64)
all_there && [ "$(cat "$out/.ramdisk-key" 2>/dev/null)" = "$key" ] && exit 0

say "building $out/ipa.initramfs ($drivers drivers)"
# shellcheck disable=SC2086
"${apt[@]}" --download-only install $PACKAGES > "$work/apt.log" 2>&1 || { tail -3 "$work/apt.log" >&2; exit 1; }
deb=$out/.kernel-${kernel_package}_${kernel_version//:/_}.deb
if [ ! -e "$deb" ]; then
    rm -f "$out"/.kernel-*.deb
    (cd "$work" && apt-get download -q "$kernel_package" >/dev/null 2>"$work/apt.log") || { cat "$work/apt.log" >&2; exit 1; }
    mv "$work"/linux-image-*.deb "$deb"
fi
debian=$work/debian
mkdir -p "$debian"/usr/{bin,sbin,lib,lib64} "$work/kernel"
for merged in bin sbin lib lib64; do ln -s "usr/$merged" "$debian/$merged"; done
awk '{ print $2 }' "$work/uris" | while read -r name; do
    dpkg-deb --fsys-tarfile "$debs/$name" | tar -x --keep-directory-symlink -C "$debian"
done
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/kernel"
depmod -b "$work/kernel" "$release"

# --- the root file system: busybox, then the real programs in its applets' place, with the libraries they ask for
root=$work/root
libraries=usr/lib/x86_64-linux-gnu
mkdir -p "$root"/{etc/ironic-python-agent.d,proc,sys,dev,run,mnt,tmp,root,var/log,var/lib,usr/bin,usr/lib64,usr/share/misc,"$libraries"}
for merged in bin lib lib64; do ln -s "usr/$merged" "$root/$merged"; done
ln -s usr/bin "$root/sbin"
ln -s bin "$root/usr/sbin"
ln -s ../run "$root/var/run"
ln -s /proc/self/mounts "$root/etc/mtab"
cp "$debian/usr/bin/busybox" "$root/usr/bin/"
for applet in $("$root/usr/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/usr/bin/$applet"
done
for program in $PROGRAMS; do
    rm -f "$root/usr/bin/$program"
    cp -L "$debian/usr/bin/$program" "$root/usr/bin/" 2>/dev/null || cp -L "$debian/usr/sbin/$program" "$root/usr/bin/"
done
for alias in modprobe:kmod insmod:kmod rmmod:kmod lsmod:kmod depmod:kmod mkfs.ext4:mke2fs mkfs.ext3:mke2fs \
    mkfs.ext2:mke2fs fsck.ext4:e2fsck mkfs.vfat:mkfs.fat python3:python3.11 systemd-udevd:udevadm; do
    ln -sf "${alias#*:}" "$root/usr/bin/${alias%%:*}"
done
mkdir -p "$root/usr/lib/udev" "$root/etc/udev"
cp -r "$debian"/usr/lib/udev/{ata_id,scsi_id,cdrom_id,rules.d} "$root/usr/lib/udev/"
cp -L "$debian/usr/lib/file/magic.mgc" "$debian/usr/share/misc/pci.ids" "$root/usr/share/misc/"
cp -L "$debian/etc/mke2fs.conf" "$root/etc/"
cp -r "$debian/usr/lib/python3.11" "$root/usr/lib/"
(cd "$root/usr/lib/python3.11" && rm -rf $PYTHON_UNUSED)

packages=$root/usr/lib/python3/dist-packages
/usr/bin/python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check --no-compile --no-deps --only-binary :all: \
    --target "$packages" -r "$here/ramdisk/agent.txt"
# shellcheck disable=SC2086
(cd "$packages" && rm -rf $AGENT_UNUSED && find . -name tests -type d -prune -exec rm -rf {} +)
# Compiled beside where the sources were: to compile on an emulated processor takes half a minute, and both are read.
/usr/bin/python3 -m compileall -q -b -s "$root" -p / "$root/usr/lib/python3.11" "$packages" >/dev/null || true
find "$root/usr/lib/python3.11" "$packages" -name '*.py' | while read -r source; do
    [ ! -e "${source}c" ] || rm "$source"
done
find "$root/usr/lib" -name __pycache__ -type d -prune -exec rm -rf {} +
find "$root/usr" -name '*.so*' -type f -exec strip --strip-unneeded {} + 2>/dev/null || true

loader=$debian/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
find "$root/usr/bin" "$root/usr/lib" -type f \( -perm -1 -o -name '*.so' \) | while read -r binary; do
    "$loader" --library-path "$debian/$libraries" --list "$binary" 2>/dev/null | grep -o "$debian/[^ ]*" || true
done | sort -u | while read -r library; do cp -nL "$library" "$root/$libraries/"; done
cp -L "$loader" "$root/usr/lib64/"
# Nothing is linked with these: one is loaded when a thread ends, the other by its name, which ldconfig knows.
cp -nL "$debian/$libraries"/lib{gcc_s,udev}.so.1 "$root/$libraries/"

# --- drivers
modules=$root/usr/lib/modules/$release
mkdir -p "$modules"
[ $drivers = virtual ] || MODULES="$MODULES $(cd "$work/kernel/lib/modules/$release/kernel/drivers" \
    && find $DRIVER_FOLDERS -name '*.ko*' | sed 's,.*/,,;s,\.ko.*,,')"
for module in $MODULES; do
    modprobe -d "$work/kernel" -S "$release" --show-depends "$module" 2>/dev/null | awk '$1 == "insmod" { print $2 }'
done | sort -u | xargs -r cp -t "$modules"
strip --strip-debug "$modules"/*.ko
cp "$work/kernel/lib/modules/$release"/modules.{builtin,order,builtin.modinfo} "$modules/"
depmod -b "$root/usr" "$release"

# --- what is ours
cp -r --remove-destination "$here/ramdisk/root/." "$root/" # not into busybox, through an applet's link
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' > "$root/etc/passwd"
printf '%s\n' root:x:0: tty:x:5: disk:x:6: kmem:x:15: dialout:x:20: cdrom:x:24: tape:x:26: audio:x:29: video:x:44: \
    input:x:104: sgx:x:105: kvm:x:106: render:x:107: nogroup:x:65534: > "$root/etc/group"
echo "/$libraries" > "$root/etc/ld.so.conf"
printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
printf '%s\n' 'NAME="Deploy ramdisk"' 'ID=trivet-ramdisk' > "$root/etc/os-release"

# Whether what was left out was needed is seen here, not on a machine. It reads the kernel's command line at once.
touch "$root/proc/cmdline" "$root/dev/null"
unshare --user --map-root-user --root "$root" /bin/sh -c '
    ldconfig -X && exec python3 -c "import ironic_python_agent.cmd.agent, pyudev; pyudev.Context()"' || {
    say "the agent cannot be imported in what was built"
    exit 1
}
rm "$root/proc/cmdline" "$root/dev/null"
find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -print0 | sort -z | cpio -0 -o -H newc --quiet -R 0:0 --reproducible) | zstd -q -T0 -12 > "$work/ipa.initramfs"
cp "$work/kernel/boot/vmlinuz-$release" "$work/ipa.kernel"

# --- the EFI half of the CD: a GRUB that reads the CD's own boot/grub/grub.cfg
grub-mkstandalone -O x86_64-efi -o "$work/bootx64.efi" --locales= --fonts= --themes= \
    --modules="iso9660 fat part_gpt part_msdos linux normal configfile search search_fs_file test echo serial" \
    "boot/grub/grub.cfg=$here/ramdisk/grub.cfg"
truncate -s 8M "$work/esp.img"
mkfs.fat -F 12 -n ESP "$work/esp.img" >/dev/null
export MTOOLS_SKIP_CHECK=1
mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT
mcopy -i "$work/esp.img" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI

rm -f "$out/.ramdisk-key"
for result in $RESULTS; do mv "$work/$result" "$out/"; done
echo "$key" > "$out/.ramdisk-key"
say "made $out/ipa.initramfs ($(($(stat -c %s "$out/ipa.initramfs") / 1048576)) MiB, $(du -sm "$root" | cut -f1) MiB unpacked)"
