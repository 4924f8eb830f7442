#!/bin/sh
# From the kernel to a machine that has its drivers, its data, its network and its doors.
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
echo "1 4 1 7" > /proc/sys/kernel/printk
echo "GUEST-INIT kernel=$(uname -r) up=$(cut -d' ' -f1 /proc/uptime)"

# Each round of drivers shows the next bus: PCI, then virtio, then SCSI.
for _ in 1 2 3; do
    find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u | xargs modprobe -abq 2>/dev/null
done
modprobe -aq isofs vfat nls_ascii nls_cp437 nls_utf8 2>/dev/null

# What is written to /tmp, /root and /home outlives a reboot and travels in a snapshot.
for disk in /dev/vda2 /dev/sda2 /dev/nvme0n1p2 /dev/hda2; do
    [ -b $disk ] && mount -t ext4 -o noatime $disk /data 2>/dev/null && break
done
mkdir -p /data/tmp /data/root /data/home/cirros /data/etc/dropbear
chmod 1777 /data/tmp
for place in tmp root home; do mount --bind /data/$place /$place; done
ln -s /data/etc/dropbear /etc/dropbear

grep -q nmipanic /proc/cmdline && echo 1 > /proc/sys/kernel/unknown_nmi_panic
acpid -c /etc/acpi -l /dev/null 2>/dev/null

ip link set lo up
hostname guest
mkdir -p /run/resolv /run/lock
for path in /sys/class/net/e*; do
    [ -e "$path" ] && /etc/rc.nic "${path##*/}"
done
ACTION= uevent /etc/rc.uevent >/dev/null 2>&1 &

for type in ed25519 ecdsa; do
    key=/etc/dropbear/dropbear_${type}_host_key
    [ -s $key ] || dropbearkey -t $type -f $key >/dev/null 2>&1
done
dropbear

# What the host says to the guest comes by a port of that name, where the machine has one.
for port in /sys/class/virtio-ports/vport*; do
    if [ "$(cat "$port/name" 2>/dev/null)" = org.qemu.guest_agent.0 ]; then
        qemu-ga -d -m virtio-serial -p "/dev/${port##*/}" -t /run -f /run/qemu-ga.pid >/dev/null 2>&1
    fi
done
