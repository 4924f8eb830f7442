"""A real guest on another host: made of the disks that it left its first one with."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.drivers.qemu_guests import booted, console_shows, guest_spec, need_engine, typed

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, EmptyDisk
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options

pytestmark = pytest.mark.dataplane

GIB = 1024


@pytest.fixture(autouse=True)
def engine_is_here() -> None:
    need_engine()


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[tuple[QemuMachines, QemuMachines]]:
    one, other = (QemuMachines(tmp_path / name, Options(host_checksum=False)) for name in ("one", "other"))
    yield one, other
    for driver in (one, other):
        for id in await driver.observe():
            await driver.remove(id)


async def test_a_guest_finds_on_another_host_what_it_wrote_on_the_first(
    hosts: tuple[QemuMachines, QemuMachines], tmp_path: Path
) -> None:
    one, other = hosts
    disks = (EmptyDisk("ephemeral0", GIB, "ext4"), EmptyDisk("swap", 64, "swap"))
    spec = msgspec.structs.replace(guest_spec(), empty=disks)
    id = await booted(one, spec)
    await typed(
        one, id, "echo root > /data/note; mount -t ext4 /dev/vdb /mnt; echo more > /mnt/note; umount /mnt; sync"
    )
    with pytest.raises(DriverError, match="must be stopped"):
        await one.export_disk(id, "root", str(tmp_path / "root"))
    await one.stop(id, 0)
    found = {}
    for name in ("root", "ephemeral0"):
        format = await one.export_disk(id, name, str(tmp_path / name))
        found[name] = Disk(str(tmp_path / name), format)
    with pytest.raises(DriverError, match="no disk"):
        await one.export_disk(id, "../spec", str(tmp_path / "spec"))
    grown = (EmptyDisk("ephemeral0", 2 * GIB, "ext4"), EmptyDisk("swap", 64, "swap"))
    there = msgspec.structs.replace(spec, disk=found.pop("root"), empty=grown, filled=found)
    await other.create(there)
    for name in ("root", "ephemeral0"):
        (tmp_path / name).unlink()
    await other.start(id, {"boots": "2"})
    await console_shows(other, id, "GUEST-READY")
    assert await typed(other, id, "cat /data/note; mount -t ext4 /dev/vdb /mnt; cat /mnt/note; umount /mnt") == (
        "root\nmore"
    )
    assert await typed(other, id, "cat /sys/block/vdb/size") == f"{2 << 21}"


async def test_a_disk_that_reaches_out_of_itself_is_not_taken(
    hosts: tuple[QemuMachines, QemuMachines], tmp_path: Path
) -> None:
    """What comes from another host is no more trusted than an image."""
    _, other = hosts
    evil = tmp_path / "evil"
    evil.write_bytes(
        b"QFI\xfb" + (3).to_bytes(4, "big") + (512).to_bytes(8, "big") + (11).to_bytes(4, "big") + bytes(500)
    )
    disks = (EmptyDisk("ephemeral0", GIB, "ext4"),)
    spec = msgspec.structs.replace(guest_spec(), empty=disks, filled={"ephemeral0": Disk(str(evil), "qcow2")})
    with pytest.raises(DriverError, match="backing file"):
        await other.create(spec)
