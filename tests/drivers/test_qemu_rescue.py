"""Rescue with a real guest: it boots from another image, finds its old disk beside it, and is itself again after it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.drivers.qemu_guests import (
    IMAGE,
    PATIENCE_S,
    booted,
    console_shows,
    engine_is_here,
    guest_spec,
    look,
    machines,
    typed,
)

from trivet.agent.config_drive import config_drive
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, RescueDisk
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options

__all__ = ["engine_is_here", "machines"]

pytestmark = pytest.mark.dataplane


def other_image(folder: Path) -> str:
    """The same guest in another file: another base."""
    path = folder / "rescue.img"
    path.write_bytes(Path(IMAGE).read_bytes())
    return str(path)


async def boot_again(machines: QemuMachines, id: str, boots: int) -> None:
    await machines.start(id, {"boots": str(boots)})
    await console_shows(machines, id, "GUEST-READY", times=boots)


async def test_a_rescued_guest_has_its_old_disk_beside_it(machines: QemuMachines, tmp_path: Path) -> None:
    drive = config_drive({"openstack/latest/meta_data.json": b'{"hostname": "own"}'})
    id = await booted(machines, guest_spec(config_drive=drive))
    await typed(machines, id, "echo kept > /root/note; sync")
    await machines.stop(id, 0)
    disk = RescueDisk(Disk(other_image(tmp_path), "qcow2"), "7")
    told = config_drive({"openstack/latest/meta_data.json": b'{"hostname": "rescuer"}'})
    await machines.rescue(id, disk, told)
    await machines.rescue(id, disk, told)
    assert (await look(machines, id)).marks["rescue"] == "7"
    with pytest.raises(DriverError, match="stopped to be"):
        await boot_again(machines, id, 2)
        await machines.unrescue(id)

    # What the guest boots from is new, and what it had is the next disk.
    assert await typed(machines, id, "ls /root/note 2>&1 | grep -c 'No such'") == "1"
    assert await typed(machines, id, "mount /dev/vdb2 /mnt && cat /mnt/root/note; umount /mnt; hostname") == (
        "kept\nrescuer"
    )
    await typed(machines, id, "mount /dev/vdb2 /mnt && echo mended > /mnt/root/note; umount /mnt; sync")
    await machines.stop(id, PATIENCE_S)

    await machines.unrescue(id)
    await machines.unrescue(id)
    assert (await look(machines, id)).marks["rescue"] == ""
    await boot_again(machines, id, 3)
    assert await typed(machines, id, "cat /root/note; hostname") == "mended\nown"


@pytest.mark.parametrize(
    ("device", "bus", "machine"),
    [("disk", "virtio", "pc"), ("disk", "scsi", "pc"), ("disk", "usb", "pc"), ("cdrom", "ide", "pc"),
     ("disk", "sata", "pc"), ("disk", "virtio", "q35")],
)  # fmt: skip
async def test_a_disk_that_is_shown_behind_the_others_is_booted_and_moves_none(
    machines: QemuMachines, tmp_path: Path, device: str, bus: str, machine: str
) -> None:
    id = await booted(machines, guest_spec(hw_machine_type=machine))
    await typed(machines, id, "echo kept > /root/note; sync")
    await machines.stop(id, 0)
    disk = RescueDisk(Disk(other_image(tmp_path), "qcow2"), "2", device=device, bus=bus)  # type: ignore[arg-type]
    await machines.rescue(id, disk, None)
    await boot_again(machines, id, 2)
    # Its boot loader and kernel came from the rescue disk; disks keep their names, so /data is the old one's.
    assert await typed(machines, id, "cat /data/root/note") == "kept"
    if bus == "virtio":
        assert await typed(machines, id, "ls -d /sys/block/vd? | tail -n 1 | grep -c vdb") == "1"


async def test_a_rescued_machine_is_found_again_after_it_was_killed(machines: QemuMachines, tmp_path: Path) -> None:
    id = await booted(machines, guest_spec())
    await machines.stop(id, 0)
    await machines.rescue(id, RescueDisk(Disk(other_image(tmp_path), "qcow2"), "2"), None)
    await boot_again(machines, id, 2)
    folder = tmp_path / "vms" / id
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    again = QemuMachines(tmp_path / "vms", Options(host_checksum=False))
    while (seen := await look(again, id)).power != "crashed":
        await asyncio.sleep(0.05)
    assert seen.marks["rescue"] == "2"
    await again.start(id, {"boots": "3"})
    await console_shows(again, id, "GUEST-READY", times=3)
    assert await typed(again, id, "ls /dev/vdb2") == "/dev/vdb2"
    await again.remove(id)
    assert not list((folder.parent / "_base").iterdir())


async def test_what_has_no_place_on_a_bus_is_refused_when_it_starts(machines: QemuMachines, tmp_path: Path) -> None:
    spec = guest_spec()
    await machines.create(spec)
    disk = RescueDisk(Disk(other_image(tmp_path), "qcow2"), "1", device="cdrom", bus="virtio")
    await machines.rescue(spec.id, disk, None)
    with pytest.raises(DriverError, match="No cdrom on the bus virtio"):
        await machines.start(spec.id, {})
