#!/bin/bash
# Builds a small guest that boots itself, from Debian packages alone, without root and without mounting:
#
#   tools/build-guest.sh OUTDIR  ->  OUTDIR/trivet-guest.qcow2, OUTDIR/trivet-guest.qcow2.sha256
#
# The disk: an MBR, a FAT partition that syslinux (BIOS) and systemd-boot (UEFI) both start the one kernel
# from, and an ext4 partition for what should outlive a reboot. The root file system is the initramfs, made
# of busybox, dropbear and guest/. Does nothing when the image is there and nothing it is made of has changed.
#
# GUEST_MODULES="bonding vrf"  further kernel modules      GUEST_CMDLINE="..."  further kernel parameters
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { echo "usage: tools/build-guest.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
image=$out/trivet-guest.qcow2

ESP_MIB=40
DATA_MIB=32
MODULES="virtio_pci virtio_mmio virtio_net virtio_blk virtio_console virtio_rng virtio_scsi sd_mod sr_mod
    ata_piix ata_generic button evdev qemu_fw_cfg isofs vfat nls_ascii nls_cp437 nls_utf8 8021q ${GUEST_MODULES:-}"
CMDLINE="console=tty0 console=ttyS0,115200 quiet net.ifnames=0 panic=5 nmipanic ${GUEST_CMDLINE:-}"
PROGRAMS="/usr/sbin/dropbear /usr/bin/dropbearkey /bin/lsblk /sbin/blkid /sbin/mke2fs /bin/nc.openbsd
    /usr/sbin/qemu-ga"
SYSTEMD_BOOT=/usr/lib/systemd/boot/efi/systemd-bootx64.efi
MBR=/usr/lib/syslinux/mbr/mbr.bin
PATH=$PATH:/usr/sbin:/sbin

say() { echo "build-guest: $*" >&2; }

absent=()
for tool in busybox cpio depmod zstd sfdisk mkfs.fat mke2fs mcopy syslinux qemu-img apt-get dpkg-deb; do
    command -v $tool >/dev/null || absent+=("$tool")
done
for file in $PROGRAMS $SYSTEMD_BOOT $MBR; do [ -e "$file" ] || absent+=("$file"); done
[ ${#absent[@]} -eq 0 ] || { say "missing: ${absent[*]} (tools/setup-system.sh installs them)"; exit 1; }

kernel_package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
if [ -z "$kernel_package" ]; then
    [ ! -e "$image" ] || { say "no package lists here; keeping the image there is"; exit 0; }
    say "no kernel package known; run apt-get update first"
    exit 1
fi
kernel_version=$(apt-cache policy "$kernel_package" | awk '/Candidate:/ { print $2 }')
release=${kernel_package#linux-image-}

made_of() {
    cat "$here/build-guest.sh"
    (cd "$here/guest" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    echo "$kernel_package $kernel_version" "$MODULES" "$CMDLINE"
    dpkg-query -W busybox-static dropbear-bin libc6 util-linux e2fsprogs netcat-openbsd qemu-guest-agent syslinux systemd-boot-efi
}
key=$(made_of | sha256sum | cut -c1-64)
[ -e "$image" ] && [ "$(cat "$out/.guest-key" 2>/dev/null)" = "$key" ] && exit 0

work=$(mktemp -d "$out/.guest.XXXXXX")
trap 'rm -rf "$work"' EXIT

# --- the kernel, without installing it
deb=$out/.kernel-${kernel_package}_${kernel_version//:/_}.deb
if [ ! -e "$deb" ]; then
    say "fetching $kernel_package ($kernel_version)"
    rm -f "$out"/.kernel-*.deb
    (cd "$work" && apt-get download -q "$kernel_package" >/dev/null 2>"$work/apt.log") || { cat "$work/apt.log" >&2; exit 1; }
    mv "$work"/linux-image-*.deb "$deb"
fi
say "building $image"
dpkg-deb -x "$deb" "$work/kernel"
vmlinuz=$work/kernel/boot/vmlinuz-$release
depmod -b "$work/kernel" "$release"

# --- the initramfs
root=$work/root
mkdir -p "$root"/{bin,etc,proc,sys,dev,run,mnt,data,tmp,root,home,usr,var/log,"lib/modules/$release"}
for link in sbin:bin usr/bin:../bin usr/sbin:../bin var/run:../run lib64:lib usr/lib:../lib mnt/data:../data \
    init:bin/init etc/resolv.conf:/run/resolv.conf etc/mtab:/proc/mounts; do
    ln -s "${link#*:}" "$root/${link%%:*}"
done
# Its shell prefers its own applets to the files on PATH, and its nc knows neither -u nor -k:
# under the name nb (which sorts where nc did) it leaves the name to guest/bin/nc.
LC_ALL=C sed 's/\x00nameif\x00nc\x00/\x00nameif\x00nb\x00/' /bin/busybox > "$root/bin/busybox"
chmod 755 "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
for program in $PROGRAMS; do
    rm -f "$root/bin/${program##*/}"
    cp -L "$program" "$root/bin/"
    ldd "$program" | grep -o '/[^ ]*' | sort -u | while read -r library; do
        mkdir -p "$root/$(dirname "${library/#\/usr/}")"
        cp -nL "$library" "$root/${library/#\/usr/}"
    done
done
ln -sf busybox "$root/bin/mkfs.vfat"
for alias in mkfs.ext2 mkfs.ext3 mkfs.ext4; do ln -s mke2fs "$root/bin/$alias"; done
cp -r "$here/guest/." "$root/"
ln -s /data/etc/dropbear "$root/etc/dropbear"

modules=$root/lib/modules/$release
for module in $MODULES; do
    modprobe -d "$work/kernel" -S "$release" --show-depends "$module" 2>/dev/null | awk '$1 == "insmod" { print $2 }'
done | sort -u | xargs -r cp -t "$modules"
cp "$work/kernel/lib/modules/$release"/modules.{builtin,order} "$modules/"
depmod -b "$root" "$release" 2>/dev/null
rm -f "$modules"/modules.{builtin,order,symbols,devname,softdep,builtin.*} "$modules"/*.bin

password=$(busybox mkpasswd -m sha256 -S trivetguest gocubsgo)
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'cirros:x:0:0:cirros:/home/cirros:/bin/sh' \
    'nobody:x:65534:65534:nobody:/:/bin/false' > "$root/etc/passwd"
printf '%s\n' 'root:*:19000:0:99999:7:::' "cirros:$password:19000:0:99999:7:::" 'nobody:*:19000:0:99999:7:::' \
    > "$root/etc/shadow"
printf '%s\n' 'root:x:0:' 'tty:x:5:' 'nogroup:x:65534:' > "$root/etc/group"
printf '%s\n' 'export PATH=/bin:/sbin:/usr/bin:/usr/sbin' 'PS1="\u@\h:\w# "' > "$root/etc/profile"
printf '%s\n' 'NAME="Trivet guest"' 'PRETTY_NAME="Trivet guest"' 'ID=trivet-guest' > "$root/etc/os-release"
printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
printf '/bin/sh\n' > "$root/etc/shells"
chmod 600 "$root/etc/shadow"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -print0 | sort -z | cpio -0 -o -H newc --quiet -R 0:0 --reproducible) | zstd -q -12 > "$work/initrd"

# --- the disk
disk=$work/disk
truncate -s $((1 + ESP_MIB + DATA_MIB + 1))M "$disk"
printf '%s\n' "label-id: 0x54524956" "1MiB,${ESP_MIB}MiB,0xef,*" "$((1 + ESP_MIB))MiB,${DATA_MIB}MiB,0x83" | sfdisk -q "$disk"
dd if=$MBR of="$disk" conv=notrunc bs=440 count=1 status=none
mkfs.fat -F 32 -s 1 -n GUEST --offset 2048 "$disk" $((ESP_MIB * 1024)) >/dev/null 2> >(grep -v 'block count mismatch' >&2)
mke2fs -q -F -t ext4 -m 0 -L guest-data -U 54524956-4554-4755-4553-540000000001 \
    -E "offset=$(((1 + ESP_MIB) * 1048576)),lazy_itable_init=0,root_owner=0:0" "$disk" ${DATA_MIB}M 2>/dev/null

printf 'DEFAULT trivet\nPROMPT 0\nTIMEOUT 0\nLABEL trivet\n LINUX /vmlinuz\n INITRD /initrd\n APPEND %s\n' "$CMDLINE" > "$work/syslinux.cfg"
printf 'timeout 0\ndefault trivet.conf\neditor no\n' > "$work/loader.conf"
printf 'title trivet\nlinux /vmlinuz\ninitrd /initrd\noptions %s\n' "$CMDLINE" > "$work/trivet.conf"
export MTOOLS_SKIP_CHECK=1
esp=$disk@@1M
mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i "$esp" "$vmlinuz" ::/vmlinuz
mcopy -i "$esp" "$work/initrd" "$work/syslinux.cfg" ::/
mcopy -i "$esp" "$work/loader.conf" ::/loader/
mcopy -i "$esp" "$work/trivet.conf" ::/loader/entries/
mcopy -i "$esp" $SYSTEMD_BOOT ::/EFI/BOOT/BOOTX64.EFI
syslinux --install --offset 1048576 "$disk"

qemu-img convert -q -O qcow2 -c "$disk" "$work/trivet-guest.qcow2"
(cd "$work" && sha256sum trivet-guest.qcow2) > "$work/sum"
rm -f "$out/.guest-key"
mv "$work/trivet-guest.qcow2" "$image"
mv "$work/sum" "$image.sha256"
echo "$key" > "$out/.guest-key"
say "made $image ($(($(stat -c %s "$image") / 1048576)) MiB)"
