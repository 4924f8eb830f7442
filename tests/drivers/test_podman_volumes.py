"""Volumes in containers, by the real engines: written by one, read by the next, in use or not, whatever dies."""

import asyncio
import os
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.drivers.podman_containers import eventually, log_has, look, machines, running_shell, started, wired

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, VolumeDisk, VolumeHotplug
from trivet.drivers.contracts.volume import Serving, VolumeSpec
from trivet.drivers.podman.machines import PodmanMachines
from trivet.drivers.qsd.volumes import QsdVolumes

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane


@pytest.fixture
async def volumes(tmp_path: Path, machines: PodmanMachines) -> AsyncIterator[QsdVolumes]:
    """They go before the containers do, which must bear that."""
    driver = QsdVolumes(tmp_path / "disks")
    yield driver
    for id in await machines.observe():
        await machines.remove(id)
    for id in await driver.observe():
        await driver.remove(id)


async def _volume(volumes: QsdVolumes) -> str:
    id = str(uuid.uuid4())
    await volumes.create(VolumeSpec(id, 1))
    return id


async def _disk(volumes: QsdVolumes, id: str, at: str, *, read_only: bool = False) -> VolumeDisk:
    attachment = str(uuid.uuid4())
    ways = await volumes.serve(id, Serving({attachment: read_only}))
    return VolumeDisk(attachment, id, 1, ways[attachment], read_only=read_only, at=at)


async def _idle(machines: PodmanMachines) -> MachineSpec:
    """It says each second what it finds, and does what it is told by a file."""
    script = "while sleep 0.3; do [ -f /data/told ] && cat /data/told; done"
    return await wired(machines, running_shell(script))


async def _served_again(volumes: QsdVolumes, disk: VolumeDisk) -> bool:
    """Once the kernel has taken the dead one away."""
    try:
        return bool(await volumes.serve(disk.volume_id, Serving({disk.id: False})))
    except DriverError:
        return False


def _inside(folder: Path, id: str, script: str) -> str:
    """What a program in the container says, as its root."""
    engine = folder / "podman"
    record = (engine / "machines" / id / "record.json").read_text()
    container_id = record.partition('"container_id":"')[2].partition('"')[0]
    done = subprocess.run(
        ("runc", "exec", container_id, "sh", "-c", script), capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def _leftovers(folder: Path) -> list[str]:
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder / "podman/volumes") in line]
    loops = [file.read_text() for file in Path("/sys/block").glob("loop*/loop/backing_file")]
    return mounts + [each for each in loops if str(folder) in each]


async def test_a_container_that_runs_gets_a_file_system_and_the_next_one_finds_it(
    tmp_path: Path, machines: PodmanMachines, volumes: QsdVolumes
) -> None:
    assert isinstance(machines, VolumeHotplug)
    volume_id = await _volume(volumes)
    first, second = [await started(machines, await _idle(machines)) for _ in range(2)]
    disk = await _disk(volumes, volume_id, "/data")
    await machines.attach_volume(first, disk)
    await machines.attach_volume(first, disk)
    assert (await look(machines, first)).marks["volumes"] == f"{disk.id}=1"
    said = _inside(
        tmp_path, first, "echo kept-bytes > /data/told; chown 33:44 /data/told; sync; grep ' /data ' /proc/mounts"
    )
    assert f"/{disk.id} /data fuse.ext4 rw,nosuid,nodev" in said
    await log_has(machines, first, "kept-bytes")
    await machines.detach_volume(first, disk.id)
    await machines.detach_volume(first, disk.id)
    assert (await look(machines, first)).marks["volumes"] == ""
    assert _leftovers(tmp_path) == []
    assert _inside(tmp_path, first, "ls /data") == ""
    await machines.attach_volume(second, await _disk(volumes, volume_id, "/elsewhere/deep"))
    assert (
        _inside(tmp_path, second, "stat -c %u:%g /elsewhere/deep/told; cat /elsewhere/deep/told")
        == "33:44\nkept-bytes\n"
    )


async def test_what_a_container_has_is_there_before_its_first_program_each_time(
    tmp_path: Path, machines: PodmanMachines, volumes: QsdVolumes
) -> None:
    disk = await _disk(volumes, await _volume(volumes), "/data")
    script = "grep -c ' /data ' /proc/mounts; echo x >> /data/boots; wc -l < /data/boots; sleep 600"
    spec = await wired(machines, running_shell(script))
    await machines.create(spec)
    await machines.attach_volume(spec.id, disk)
    await machines.start(spec.id, {})
    await log_has(machines, spec.id, "1\n1\n")
    await machines.stop(spec.id, 0)
    assert _leftovers(tmp_path) == []
    await machines.start(spec.id, {})
    await log_has(machines, spec.id, "1\n2\n")


async def test_a_device_is_the_containers_and_others_are_not(
    tmp_path: Path, machines: PodmanMachines, volumes: QsdVolumes
) -> None:
    disk = await _disk(volumes, await _volume(volumes), "/dev/vdb")
    id = await started(machines, await _idle(machines))
    await machines.attach_volume(id, disk)
    script = "echo raw-bytes | dd of=/dev/vdb conv=fsync 2>/dev/null; head -c 9 /dev/vdb; "
    said = _inside(tmp_path, id, script + "mknod /tmp/l b 7 0; mknod /data b 7 1")
    assert said.startswith("raw-bytes") and said.count("not permitted") == 2
    await machines.stop(id, 0)
    await machines.start(id, {})
    assert _inside(tmp_path, id, "head -c 9 /dev/vdb") == "raw-bytes"
    await volumes.grow(disk.volume_id, 2)
    await machines.resize_volume(id, disk.id, 2)
    assert _inside(tmp_path, id, "blockdev --getsize64 /dev/vdb").strip() == str(2 << 30)
    await machines.detach_volume(id, disk.id)
    assert "No such file" in _inside(tmp_path, id, "head -c 9 /dev/vdb")


async def test_what_is_in_use_stays_and_grows_with_the_next_start(
    tmp_path: Path, machines: PodmanMachines, volumes: QsdVolumes
) -> None:
    disk = await _disk(volumes, await _volume(volumes), "/data")
    id = await started(machines, await _idle(machines))
    await machines.attach_volume(id, disk)
    _inside(tmp_path, id, "cd /data && (sleep 600 >/dev/null 2>&1 &)")
    with pytest.raises(DriverError, match="uses the volume at /data"):
        await machines.detach_volume(id, disk.id)
    await volumes.grow(disk.volume_id, 2)
    await machines.resize_volume(id, disk.id, 2)
    blocks = "stat -f -c %b /data"
    assert int(_inside(tmp_path, id, blocks)) < 1 << 18
    await machines.stop(id, 0)
    await machines.start(id, {})
    assert int(_inside(tmp_path, id, blocks)) > 1 << 18


async def test_nothing_is_made_where_something_else_is(
    tmp_path: Path, machines: PodmanMachines, volumes: QsdVolumes
) -> None:
    volume_id = await _volume(volumes)
    raw = tmp_path / "disks" / volume_id / "disk.raw"
    with raw.open("r+b") as file:
        file.write(b"a database of its own")
    id = await started(machines, await _idle(machines))
    with pytest.raises(DriverError, match="no ext2, ext3 or ext4") as refused:
        await machines.attach_volume(id, await _disk(volumes, volume_id, "/data"))
    assert not refused.value.again
    with raw.open("rb") as file:
        assert file.read(10) == b"a database"
    assert _leftovers(tmp_path) == []
    with pytest.raises(DriverError, match="something else at /dev/null"):
        await machines.attach_volume(id, await _disk(volumes, volume_id, "/dev/null"))


@pytest.mark.parametrize("victim", ["fs.pid", "pid", "volume"])
async def test_what_dies_is_seen_and_mended(
    tmp_path: Path, machines: PodmanMachines, volumes: QsdVolumes, victim: str
) -> None:
    disk = await _disk(volumes, await _volume(volumes), "/data")
    id = await started(machines, await _idle(machines))
    await machines.attach_volume(id, disk)
    _inside(
        tmp_path, id, "mkdir /data/many; i=0; while [ $i -lt 50 ]; do echo $i > /data/many/$i; i=$((i+1)); done; sync"
    )
    if victim == "volume":
        pid = tmp_path / "disks" / disk.volume_id / "pid"
        os.kill(int(pid.read_text()), signal.SIGKILL)
        await eventually(lambda: _served_again(volumes, disk), bool)
    else:
        os.kill(int((tmp_path / "podman/volumes" / disk.id / victim).read_text()), signal.SIGKILL)
        await eventually(lambda: look(machines, id), lambda seen: seen.marks["volumes"] == f"{disk.id}=0")
        await machines.attach_volume(id, disk)
    assert (await look(machines, id)).marks["volumes"] == f"{disk.id}=1"
    said = await asyncio.to_thread(
        _inside, tmp_path, id, "echo more > /data/told; sync; ls /data/many | wc -l; cat /data/told"
    )
    assert said == "50\nmore\n"
