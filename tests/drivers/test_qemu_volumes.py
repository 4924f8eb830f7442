"""Volumes in a real guest: plugged into it, written by it, read in another one, and grown beneath it."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.drivers.qemu_guests import booted, eventually, guest_spec, in_the_end, look, need_engine, typed

from trivet.drivers.contracts.machine import VolumeDisk
from trivet.drivers.contracts.volume import FromImage, Key, Serving, VolumeSpec
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options
from trivet.drivers.qsd.volumes import QsdVolumes
from trivet.drivers.qsd.volumes import missing as qsd_missing

pytestmark = pytest.mark.dataplane


@pytest.fixture(autouse=True)
def engine_is_here() -> None:
    need_engine()
    if qsd_missing():
        pytest.skip(f"no storage daemon here: missing {qsd_missing()}")


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[QemuMachines]:
    driver = QemuMachines(tmp_path / "vms", Options(host_checksum=False))
    yield driver
    for id in await driver.observe():
        await driver.remove(id)


@pytest.fixture
async def volumes(tmp_path: Path) -> AsyncIterator[QsdVolumes]:
    driver = QsdVolumes(tmp_path / "volumes")
    yield driver
    for id in await driver.observe():
        await driver.remove(id)


async def new_volume(volumes: QsdVolumes, size_gib: int = 1) -> str:
    id = str(uuid.uuid4())
    await volumes.create(VolumeSpec(id, size_gib))
    return id


async def disk_of(volumes: QsdVolumes, id: str, size_gib: int = 1, key: Key | None = None) -> VolumeDisk:
    attachment_id = str(uuid.uuid4())
    ways = await volumes.serve(id, Serving({attachment_id: False}), key)
    return VolumeDisk(attachment_id, id, size_gib, ways[attachment_id])


def device_of(id: str) -> str:
    """In the guest: by its serial number, as udev finds it."""
    return f"$(grep -l {id[:20]} /sys/block/*/serial | cut -d/ -f4)"


async def shows(machines: QemuMachines, guest: str, command: str, wanted: str) -> None:
    async def shown() -> bool:
        return wanted in await typed(machines, guest, command)

    await eventually(shown, f"{wanted!r} from {command!r}")


async def test_bytes_go_from_guest_to_guest_and_outlive_the_first(machines: QemuMachines, volumes: QsdVolumes) -> None:
    id = await new_volume(volumes)
    first = await booted(machines, guest_spec())
    disk = await disk_of(volumes, id)
    await machines.attach_volume(first, disk)
    await machines.attach_volume(first, disk)
    assert (await look(machines, first)).marks["volumes"] == f"{disk.id}=1"
    await shows(machines, first, f"cat /sys/block/{device_of(id)}/size", str(1 << 21))
    await typed(machines, first, f"echo kept-bytes | dd of=/dev/{device_of(id)} conv=fsync")
    await in_the_end(partial(machines.detach_volume, first, disk.id))
    assert (await look(machines, first)).marks["volumes"] == ""
    await machines.remove(first)
    # Another machine has it from its start.
    spec = msgspec.structs.replace(guest_spec(), volumes=(await disk_of(volumes, id),))
    second = await booted(machines, spec)
    assert "kept-bytes" in await typed(machines, second, f"head -c 10 /dev/{device_of(id)}")


async def test_a_guest_hears_that_its_volume_has_grown(machines: QemuMachines, volumes: QsdVolumes) -> None:
    id = await new_volume(volumes)
    guest = await booted(machines, guest_spec())
    disk = await disk_of(volumes, id)
    await machines.attach_volume(guest, disk)
    await volumes.grow(id, 3)
    await machines.resize_volume(guest, disk.id, 3)
    await shows(machines, guest, f"cat /sys/block/{device_of(id)}/size", str(3 << 21))
    assert (await look(machines, guest)).marks["volumes"] == f"{disk.id}=3"


async def test_a_daemon_that_dies_under_load_loses_nothing_that_was_acknowledged(
    machines: QemuMachines, volumes: QsdVolumes, tmp_path: Path
) -> None:
    """The guest waits while nobody serves its volume, and goes on; what it had flushed is there."""
    id = await new_volume(volumes)
    guest = await booted(machines, guest_spec())
    disk = await disk_of(volumes, id)
    await machines.attach_volume(guest, disk)
    await shows(machines, guest, f"cat /sys/block/{device_of(id)}/size", str(1 << 21))
    write = f"printf %08d $n | dd of=/dev/{device_of(id)} seek=$n bs=512 count=1 conv=fsync,notrunc 2>/dev/null"
    await typed(
        machines, guest, f"(n=1; while [ $n -le 60 ]; do {write} && echo $n >> /tmp/log; n=$((n+1)); done) & true"
    )
    await shows(machines, guest, "wc -l < /tmp/log 2>/dev/null; echo", "5")
    heard = asyncio.ensure_future(anext(volumes.watch()))
    os.kill(int((tmp_path / "volumes" / id / "pid").read_text()), 9)
    assert await asyncio.wait_for(heard, 60) == id
    await volumes.serve(id, Serving({disk.id: False}))
    await shows(machines, guest, "tail -n 1 /tmp/log", "60")
    assert (await typed(machines, guest, "wc -l < /tmp/log")).strip() == "60"
    raw = (tmp_path / "volumes" / id / "disk.raw").read_bytes()[: 61 * 512]
    assert [raw[n * 512 : n * 512 + 8] for n in range(1, 61)] == [b"%08d" % n for n in range(1, 61)]


async def test_a_machine_boots_from_a_volume_and_does_not_know_that_it_is_sealed(
    machines: QemuMachines, volumes: QsdVolumes, tmp_path: Path
) -> None:
    spec = guest_spec()
    assert spec.disk is not None and spec.disk.format == "qcow2"
    id, key = str(uuid.uuid4()), Key("0123456789abcdef" * 4)
    await volumes.create(VolumeSpec(id, 1, FromImage(spec.disk.path, "qcow2"), key))
    with (tmp_path / "volumes" / id / "disk.luks").open("rb") as file:
        assert file.read(6) == b"LUKS\xba\xbe"
    root = msgspec.structs.replace(await disk_of(volumes, id, key=key), boots=True)
    guest = await booted(machines, msgspec.structs.replace(spec, disk=None, volumes=(root,)))
    assert "1" in await typed(machines, guest, f"grep -c {id[:20]} /sys/block/vda/serial")
