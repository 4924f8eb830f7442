"""What a tenant's image may be: complete, sound, and without a word about other files of the host."""

import asyncio
import json
import resource
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, MachineSpec
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options, missing

pytestmark = [pytest.mark.dataplane, pytest.mark.skipif(bool(missing()), reason=f"missing: {missing()}")]


@pytest.fixture
def machines(tmp_path: Path) -> QemuMachines:
    return QemuMachines(tmp_path / "vms", Options(accelerator="tcg"))


def spec(path: Path, format: str = "qcow2", size_gib: int = 0) -> MachineSpec:
    disk = Disk(str(path), "raw" if format == "raw" else "qcow2", size_gib)
    return MachineSpec(id=str(uuid.uuid4()), hostname="h", vcpus=1, memory_mib=64, disk=disk)


def img(*words: str) -> str:
    return subprocess.run(("qemu-img", *words), check=True, capture_output=True, text=True).stdout


def image(path: Path, *options: str, size: str = "8M") -> Path:
    img("create", "-q", "-f", "qcow2", *options, str(path), size)
    return path


async def refusal(machines: QemuMachines, wanted: MachineSpec) -> str:
    with pytest.raises(DriverError) as refused:
        await machines.create(wanted)
    assert not refused.value.again
    seen = await machines.observe()
    assert seen[wanted.id].power == "stopped"
    await machines.remove(wanted.id)
    assert wanted.id not in await machines.observe()
    return refused.value.why


async def test_an_image_that_names_a_file_of_the_host_as_its_backing_is_refused(
    machines: QemuMachines, tmp_path: Path
) -> None:
    evil = image(tmp_path / "evil", "-b", "/etc/passwd", "-F", "raw")
    assert "backing file" in await refusal(machines, spec(evil))


async def test_an_image_that_keeps_its_data_in_a_file_of_the_host_is_refused(
    machines: QemuMachines, tmp_path: Path
) -> None:
    evil = image(tmp_path / "evil", "-o", f"data_file={tmp_path}/secret")
    assert "another file" in await refusal(machines, spec(evil))


async def test_an_encrypted_image_is_refused(machines: QemuMachines, tmp_path: Path) -> None:
    locked = image(tmp_path / "locked")
    content = bytearray(locked.read_bytes())
    content[32:36] = struct.pack(">I", 2)
    locked.write_bytes(content)
    assert "encrypted" in await refusal(machines, spec(locked))


async def test_an_image_that_is_not_what_it_is_said_to_be_is_refused(machines: QemuMachines, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"hello" * 1000)
    assert "not in qcow2" in await refusal(machines, spec(text))
    text.write_bytes(b"QFI\xfb")
    assert "not in qcow2" in await refusal(machines, spec(text))


async def test_a_damaged_image_is_refused(machines: QemuMachines, tmp_path: Path) -> None:
    broken = image(tmp_path / "broken")
    content = bytearray(broken.read_bytes())
    content[40:48] = struct.pack(">Q", 0x7FFF_FFFF_FFFF_0000)
    broken.write_bytes(content)
    assert "damaged" in await refusal(machines, spec(broken))


async def test_an_image_of_which_a_check_would_tell_for_ever_costs_little(
    machines: QemuMachines, tmp_path: Path
) -> None:
    """512 KiB whose check has a line of 120 bytes for each of 268 million references. Others are not kept waiting."""
    evil, good = spec(endless(tmp_path / "evil")), spec(image(tmp_path / "good"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, _ = await asyncio.gather(refusal(machines, evil), machines.create(good))
    assert "damaged" in refused
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def endless(path: Path) -> Path:
    """Each of the 32768 entries of its first table names one second table, whose 8192 name a place behind its end."""
    cluster = 1 << 16
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, 0, 0, 16, 1 << 44, 0, 32768, 3 * cluster, cluster, 1, 0, 0)
    head += struct.pack(">QQQII", 0, 0, 0, 4, 104)
    parts = (head, struct.pack(">Q", 2 * cluster), struct.pack(">H", 1) * 8, struct.pack(">Q", 7 * cluster) * 32768)
    content = b"".join(part.ljust(cluster, b"\0") for part in parts) + struct.pack(">Q", 1 << 40) * 8192
    assert len(content) == 512 * 1024
    path.write_bytes(content)
    return path


async def test_a_qcow2_that_is_said_to_be_raw_is_only_bytes(machines: QemuMachines, tmp_path: Path) -> None:
    evil = image(tmp_path / "evil", "-b", "/etc/passwd", "-F", "raw")
    wanted = spec(evil, "raw")
    await machines.create(wanted)
    root = tmp_path / "vms" / wanted.id / "root.qcow2"
    chain = json.loads(img("info", "--backing-chain", "--output=json", str(root)))
    assert [link["format"] for link in chain] == ["qcow2", "raw"]


async def test_a_disk_is_as_large_as_the_flavor_says_and_never_smaller_than_the_image(
    machines: QemuMachines, tmp_path: Path
) -> None:
    wanted = spec(image(tmp_path / "small"), size_gib=3)
    await machines.create(wanted)
    root = tmp_path / "vms" / wanted.id / "root.qcow2"
    assert json.loads(img("info", "--output=json", str(root)))["virtual-size"] == 3 << 30
    await machines.resize(wanted.id, 1, 64, 5)
    assert json.loads(img("info", "--output=json", str(root)))["virtual-size"] == 5 << 30
    await machines.resize(wanted.id, 1, 64, 2)
    assert json.loads(img("info", "--output=json", str(root)))["virtual-size"] == 5 << 30
    big = spec(image(tmp_path / "big", size="3G"), size_gib=2)
    assert "needs a disk of 3 GiB" in await refusal(machines, big)


async def test_an_image_that_was_deleted_lives_on_under_its_machines_and_goes_with_the_last(
    machines: QemuMachines, tmp_path: Path
) -> None:
    source = image(tmp_path / "shared")
    first, second = spec(source), spec(source)
    await machines.create(first)
    await machines.create(second)
    source.unlink()
    bases = tmp_path / "vms" / "_base"
    assert len(list(bases.iterdir())) == 1
    await machines.remove(first.id)
    img("check", "-q", str(tmp_path / "vms" / second.id / "root.qcow2"))
    assert len(list(bases.iterdir())) == 1
    await machines.remove(second.id)
    assert not list(bases.iterdir())


async def test_an_image_that_is_not_there_may_come_later(machines: QemuMachines, tmp_path: Path) -> None:
    with pytest.raises(DriverError) as refused:
        await machines.create(spec(tmp_path / "absent"))
    assert refused.value.again
