"""Ephemeral and swap disks in a real guest: formatted, found by name, written to, grown, and gone with the machine."""

from pathlib import Path

import msgspec
import pytest
from tests.drivers.qemu_guests import booted, console_shows, engine_is_here, guest_spec, look, machines, typed

from trivet.drivers.contracts.machine import EmptyDisk
from trivet.drivers.qemu.machines import QemuMachines

__all__ = ["engine_is_here", "machines"]

pytestmark = pytest.mark.dataplane

GIB = 1024


async def test_a_guest_has_the_empty_disks_of_its_flavor(machines: QemuMachines) -> None:
    disks = (EmptyDisk("ephemeral0", GIB, "ext4"), EmptyDisk("swap", 64, "swap"))
    spec = msgspec.structs.replace(guest_spec(), empty=disks)
    id = await booted(machines, spec)
    assert (await look(machines, id)).marks["shape"] == "1/128/0/ephemeral0=1024/swap=64"
    assert await typed(machines, id, "cat /sys/block/vdb/serial; echo; cat /sys/block/vdc/serial") == "ephemeral0\nswap"
    places = machines.places(id)
    for device, name in (("vda", "root"), ("vdb", "ephemeral0"), ("vdc", "swap")):
        path = await typed(machines, id, f"readlink -f /sys/block/{device}/device")
        assert (places[name].bus, places[name].address in path) == ("pci", True), path
    assert await typed(machines, id, "blkid -s LABEL -o value /dev/vdb; blkid -s TYPE -o value /dev/vdb") == (
        "ephemeral0\next4"
    )
    swap = await typed(machines, id, "swapon /dev/vdc && grep -c /dev/vdc /proc/swaps; swapoff /dev/vdc")
    assert swap == "1"
    await typed(machines, id, "mount -t ext4 /dev/vdb /mnt && echo kept > /mnt/note; umount /mnt; sync")
    await machines.stop(id, 0)

    grown = (EmptyDisk("ephemeral0", 2 * GIB, "ext4"), EmptyDisk("swap", 128, "swap"))
    await machines.resize(id, 1, 128, 0, grown)
    await machines.resize(id, 1, 128, 0, grown)
    await machines.start(id, {"boots": "2"})
    await console_shows(machines, id, "GUEST-READY", times=2)
    assert await typed(machines, id, "cat /sys/block/vdb/size /sys/block/vdc/size") == f"{2 << 21}\n{128 << 11}"
    assert await typed(machines, id, "mount -t ext4 /dev/vdb /mnt && cat /mnt/note; umount /mnt") == "kept"
    folder = Path(machines.serial_path(id)).parent
    assert {path.name for path in folder.glob("*.raw*")} == {"ephemeral0.raw", "swap.raw"}
    await machines.stop(id, 0)
    await machines.resize(id, 1, 128, 0)
    assert not list(folder.glob("*.raw*"))


async def test_on_a_newer_machine_the_guest_finds_them_where_it_is_told(machines: QemuMachines) -> None:
    spec = msgspec.structs.replace(guest_spec(hw_machine_type="q35"), empty=(EmptyDisk("ephemeral0", GIB, "ext4"),))
    told = machines.places(spec.id, spec)
    id = await booted(machines, spec)
    assert machines.places(id) == told
    path = await typed(machines, id, "readlink -f /sys/block/vdb/device")
    assert told["ephemeral0"].address in path, path
