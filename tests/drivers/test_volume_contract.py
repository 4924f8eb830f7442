"""What every back end for volumes promises, held by whatever back ends there are; a new one is found by itself.

Those that keep bytes are read and written here by QEMU's own client, as a machine would.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import (
    Connection,
    CopyingOut,
    Encrypting,
    FromImage,
    FromSnapshot,
    FromVolume,
    Key,
    Limits,
    Pieces,
    Refilling,
    Serving,
    Snapshots,
    VolumeDriver,
    VolumeSpec,
)
from trivet.drivers.qsd.volumes import QsdVolumes, missing
from trivet.drivers.sim.volumes import SimVolumes
from trivet.drivers.volume_drivers import volume_drivers

GIB = 1 << 30


def new_id() -> str:
    return str(uuid.uuid4())


BACK_ENDS = sorted(volume_drivers())
# The simulation keeps a list of volumes and no byte of any, nor does it open what a volume is made from.
WITH_BYTES = [name for name in BACK_ENDS if name != "sim"]


@pytest.fixture(params=BACK_ENDS)
async def volumes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VolumeDriver]:
    if request.param == "files" and missing():
        pytest.skip(f"no storage daemon here: missing {missing()}")
    driver = volume_drivers()[request.param](tmp_path / "volumes")
    yield driver
    for id in await driver.observe():
        await driver.remove(id)
    assert await driver.observe() == {}


async def made(volumes: VolumeDriver, size_gib: int = 1) -> str:
    id = new_id()
    await volumes.create(VolumeSpec(id, size_gib))
    return id


async def asked(way: Connection, *commands: str) -> str:
    """By QEMU's client; what it prints."""
    words = [word for command in commands for word in ("-c", command)]
    uri = f"nbd+unix:///{way.export}?socket={way.path}"
    ended = await programs.run(("qemu-io", "-f", "raw", *words, uri))
    return (ended.out + ended.err).decode()


async def holds(way: Connection, pattern: int, at: str = "0") -> bool:
    said = await asked(way, f"read -P {pattern} {at} 64k")
    assert "read" in said, said
    return "verification failed" not in said


def keeps_bytes(volumes: VolumeDriver) -> bool:
    return not isinstance(volumes, SimVolumes)


async def test_a_volume_is_made_once_however_often_it_is_asked_for(volumes: VolumeDriver) -> None:
    id = await made(volumes)
    await volumes.create(VolumeSpec(id, 1))
    assert (await volumes.observe())[id].size_bytes == GIB


async def test_what_is_absent_is_removed_already(volumes: VolumeDriver) -> None:
    await volumes.remove(new_id())


async def test_an_absent_volume_is_served_to_nobody(volumes: VolumeDriver) -> None:
    with pytest.raises(DriverError) as refusal:
        await volumes.serve(new_id(), Serving({new_id(): False}))
    assert not refusal.value.again


async def test_bytes_outlive_the_attachment_that_wrote_them(volumes: VolumeDriver) -> None:
    id, first, second = await made(volumes), new_id(), new_id()
    ways = await volumes.serve(id, Serving({first: False}))
    if keeps_bytes(volumes):
        assert "wrote" in await asked(ways[first], "write -P 7 0 64k", "flush")
    assert await volumes.serve(id, Serving()) == {}
    ways = await volumes.serve(id, Serving({second: False}))
    assert set(ways) == {second}
    if keeps_bytes(volumes):
        assert await holds(ways[second], 7)
        assert "read" not in await asked(ways[second].__class__(ways[second].path, first), "read 0 512")


async def test_who_may_only_read_cannot_write_while_another_does(volumes: VolumeDriver) -> None:
    id, reader, writer = await made(volumes), new_id(), new_id()
    ways = await volumes.serve(id, Serving({reader: True, writer: False}))
    if keeps_bytes(volumes):
        assert "wrote" in await asked(ways[writer], "write -P 9 0 64k")
        assert "wrote" not in await asked(ways[reader], "write -P 1 0 64k")
    ways = await volumes.serve(id, Serving({reader: False, writer: False}))
    if keeps_bytes(volumes):
        assert await holds(ways[reader], 9)
        assert "wrote" in await asked(ways[reader], "write -P 1 0 64k")


async def test_a_volume_grows_in_use_and_out_of_use_and_never_shrinks(volumes: VolumeDriver) -> None:
    id, attachment = await made(volumes), new_id()
    await volumes.grow(id, 2)
    ways = await volumes.serve(id, Serving({attachment: False}))
    await volumes.grow(id, 3)
    await volumes.grow(id, 1)
    assert (await volumes.observe())[id].size_bytes == 3 * GIB
    if keeps_bytes(volumes):
        assert "wrote" in await asked(ways[attachment], "write -P 7 2900M 64k")


async def test_limits_are_changed_while_somebody_writes(volumes: VolumeDriver) -> None:
    id, attachment = await made(volumes), new_id()
    await volumes.serve(id, Serving({attachment: False}, Limits(total_iops=100)))
    ways = await volumes.serve(id, Serving({attachment: False}, Limits(total_bytes=1 << 20)))
    if keeps_bytes(volumes):
        assert "wrote" in await asked(ways[attachment], "write -P 7 0 64k")


async def test_a_snapshot_in_use_is_of_one_moment_and_needs_its_volume_no_longer(volumes: VolumeDriver) -> None:
    if not isinstance(volumes, Snapshots):
        pytest.skip("this back end makes no snapshots")
    id, snapshot, copy, attachment = await made(volumes), new_id(), new_id(), new_id()
    ways = await volumes.serve(id, Serving({attachment: False}))
    if keeps_bytes(volumes):
        await asked(ways[attachment], "write -P 7 0 64k")
    await volumes.snapshot(id, snapshot)
    if keeps_bytes(volumes):
        await asked(ways[attachment], "write -P 8 0 64k")
    await volumes.remove(id)
    assert await volumes.snapshots() == {snapshot}
    await volumes.create(VolumeSpec(copy, 2, FromSnapshot(snapshot)))
    ways = await volumes.serve(copy, Serving({attachment: False}))
    assert (await volumes.observe())[copy].size_bytes == 2 * GIB
    if keeps_bytes(volumes):
        assert await holds(ways[attachment], 7)
    await volumes.remove_snapshot(snapshot)
    await volumes.remove_snapshot(snapshot)
    assert await volumes.snapshots() == set()


async def test_a_volume_goes_back_to_its_snapshot(volumes: VolumeDriver) -> None:
    if not isinstance(volumes, Snapshots):
        pytest.skip("this back end makes no snapshots")
    id, snapshot, attachment = await made(volumes), new_id(), new_id()
    await volumes.snapshot(id, snapshot)
    ways = await volumes.serve(id, Serving({attachment: False}))
    if keeps_bytes(volumes):
        await asked(ways[attachment], "write -P 8 0 64k")
    await volumes.serve(id, Serving())
    await volumes.revert(id, snapshot)
    ways = await volumes.serve(id, Serving({attachment: False}))
    if keeps_bytes(volumes):
        assert await holds(ways[attachment], 0)
    await volumes.remove_snapshot(snapshot)


async def test_a_clone_of_a_volume_in_use_goes_its_own_way(volumes: VolumeDriver) -> None:
    id, clone, attachment = await made(volumes), new_id(), new_id()
    ways = await volumes.serve(id, Serving({attachment: False}))
    if keeps_bytes(volumes):
        await asked(ways[attachment], "write -P 7 0 64k")
    await volumes.create(VolumeSpec(clone, 1, FromVolume(id)))
    if keeps_bytes(volumes):
        await asked(ways[attachment], "write -P 8 0 64k")
    cloned = await volumes.serve(clone, Serving({attachment: False}))
    if keeps_bytes(volumes):
        assert await holds(cloned[attachment], 7)
        assert await holds(ways[attachment], 8)


async def test_a_volume_becomes_an_image_and_an_image_a_volume(volumes: VolumeDriver, tmp_path: Path) -> None:
    if not isinstance(volumes, CopyingOut):
        pytest.skip("this back end copies nothing out")
    id, copy, attachment = await made(volumes), new_id(), new_id()
    ways = await volumes.serve(id, Serving({attachment: False}))
    if keeps_bytes(volumes):
        await asked(ways[attachment], "write -P 7 0 64k")
    image = tmp_path / "image"
    await volumes.copy_out(id, str(image), "qcow2")
    assert image.stat().st_size < GIB // 2
    if keeps_bytes(volumes):
        await volumes.create(VolumeSpec(copy, 1, FromImage(str(image), "qcow2")))
        ways = await volumes.serve(copy, Serving({attachment: False}))
        assert await holds(ways[attachment], 7)


async def test_a_volume_leaves_in_pieces_without_its_holes_and_comes_back(volumes: VolumeDriver) -> None:
    if not isinstance(volumes, Pieces) or not isinstance(volumes, Snapshots):
        pytest.skip("this back end has no pieces")
    mib = 1 << 20
    id, snapshot, attachment = await made(volumes, 2), new_id(), new_id()
    await volumes.snapshot(id, snapshot)
    assert await volumes.next_piece(snapshot, 0, mib) is None
    await volumes.remove_snapshot(snapshot)
    held = {7 * mib: b"7" * mib, 2047 * mib: b"9" * mib}
    for _ in range(2):
        await volumes.begin_pieces(id, 2)
        await volumes.put_piece(id, 0, b"forgotten".ljust(mib, b"\0"))
    await volumes.begin_pieces(id, 2)
    for offset, data in held.items():
        await volumes.put_piece(id, offset, data)
    if keeps_bytes(volumes):
        await volumes.serve(id, Serving({attachment: False}))
        with pytest.raises(DriverError, match="uses it"):
            await volumes.end_pieces(id)
        await volumes.serve(id, Serving())
    await volumes.end_pieces(id)
    assert (await volumes.observe())[id].size_bytes == 2 * GIB
    await volumes.snapshot(id, snapshot)
    found, offset = {}, 0
    while (piece := await volumes.next_piece(snapshot, offset, mib)) is not None:
        if piece.data.strip(b"\0"):
            found[piece.offset] = piece.data
        offset = piece.offset + mib
    assert found == held
    await volumes.remove_snapshot(snapshot)
    with pytest.raises(DriverError) as refusal:
        await volumes.next_piece(snapshot, 0, mib)
    assert not refusal.value.again


@pytest.mark.parametrize("volumes", WITH_BYTES, indirect=True)
async def test_a_volume_is_made_anew_as_large_as_it_was_and_not_while_it_is_used(
    volumes: VolumeDriver, tmp_path: Path
) -> None:
    assert isinstance(volumes, Refilling)
    id, attachment, image = await made(volumes, 2), new_id(), tmp_path / "image"
    image.write_bytes(b"\7" * 65536)
    ways = await volumes.serve(id, Serving({attachment: False}))
    await asked(ways[attachment], "write -P 1 1M 64k", "flush")
    spec = VolumeSpec(id, 2, FromImage(str(image), "raw"))
    with pytest.raises(DriverError, match="uses it"):
        await volumes.refill(spec)
    await volumes.serve(id, Serving())
    await volumes.refill(spec)
    assert (await volumes.observe())[id].size_bytes == 2 * GIB
    ways = await volumes.serve(id, Serving({attachment: False}))
    assert await holds(ways[attachment], 7)
    assert await holds(ways[attachment], 0, "1M")


@pytest.mark.parametrize("volumes", WITH_BYTES, indirect=True)
async def test_an_image_that_reaches_out_of_itself_is_opened_by_nobody(volumes: VolumeDriver, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 65536)
    evil = tmp_path / "evil"
    ended = await programs.run(("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(evil)))
    assert ended.code == 0
    with pytest.raises(DriverError) as refusal:
        await volumes.create(VolumeSpec(new_id(), 1, FromImage(str(evil), "qcow2")))
    assert not refusal.value.again


@pytest.mark.parametrize("volumes", WITH_BYTES, indirect=True)
async def test_an_image_that_is_larger_than_the_volume_is_refused(volumes: VolumeDriver, tmp_path: Path) -> None:
    image = tmp_path / "image"
    await programs.run(("qemu-img", "create", "-f", "qcow2", str(image), "3G"))
    with pytest.raises(DriverError, match="needs 3 GiB") as refusal:
        await volumes.create(VolumeSpec(new_id(), 1, FromImage(str(image), "qcow2")))
    assert not refusal.value.again


# -- what only the daemons promise


@pytest.fixture
async def daemons(tmp_path: Path) -> AsyncIterator[QsdVolumes]:
    if missing():
        pytest.skip(f"no storage daemon here: missing {missing()}")
    driver = QsdVolumes(tmp_path / "volumes")
    yield driver
    for id in await driver.observe():
        await driver.remove(id)


def pid_of(tmp_path: Path, id: str) -> int:
    return int((tmp_path / "volumes" / id / "pid").read_text())


async def test_a_daemon_outlives_the_process_that_started_it_and_is_taken_over(
    daemons: QsdVolumes, tmp_path: Path
) -> None:
    id, attachment = await made(daemons), new_id()
    await daemons.serve(id, Serving({attachment: False}))
    before = pid_of(tmp_path, id)
    successor = QsdVolumes(tmp_path / "volumes")
    ways = await successor.serve(id, Serving({attachment: False}))
    assert pid_of(tmp_path, id) == before
    assert await holds(ways[attachment], 0)


async def test_a_daemon_that_is_killed_is_told_of_and_serves_again(daemons: QsdVolumes, tmp_path: Path) -> None:
    id, attachment = await made(daemons), new_id()
    ways = await daemons.serve(id, Serving({attachment: False}))
    await asked(ways[attachment], "write -P 7 0 64k")
    heard = asyncio.ensure_future(anext(daemons.watch()))
    os.kill(pid_of(tmp_path, id), 9)
    assert await asyncio.wait_for(heard, 60) == id
    assert not (await daemons.observe())[id].served
    ways = await daemons.serve(id, Serving({attachment: False}))
    assert await holds(ways[attachment], 7)


async def test_no_second_daemon_ever_opens_a_volume(daemons: QsdVolumes, tmp_path: Path) -> None:
    """Also when the first one cannot be found any more: its lock is what counts."""
    id, attachment = await made(daemons), new_id()
    await daemons.serve(id, Serving({attachment: False}))
    pid = tmp_path / "volumes" / id / "pid"
    hidden = pid.rename(pid.with_name("hidden"))
    with pytest.raises(DriverError) as refusal:
        await daemons.serve(id, Serving({attachment: False}))
    assert refusal.value.again
    hidden.rename(pid)


async def test_nobody_is_served_by_no_process(daemons: QsdVolumes, tmp_path: Path) -> None:
    id = await made(daemons)
    assert not (tmp_path / "volumes" / id / "pid").exists()
    await daemons.serve(id, Serving({new_id(): False}))
    await daemons.serve(id, Serving())
    assert not (tmp_path / "volumes" / id / "pid").exists()


# -- what is sealed


SEALED = Key("0123456789abcdef" * 4)
_MARK = 0x5A


async def sealed(volumes: VolumeDriver, size_gib: int = 1) -> str:
    assert isinstance(volumes, Encrypting)
    id = new_id()
    await volumes.create(VolumeSpec(id, size_gib, key=SEALED))
    return id


def on_the_disk(folder: Path) -> bytes:
    """What stands in the beginning of all files of the back end, where a test writes."""
    found = b""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found += file.read(8 << 20)
    return found


@pytest.mark.parametrize("volumes", WITH_BYTES, indirect=True)
async def test_what_is_sealed_lies_nowhere_as_it_was_written_and_is_read_by_who_is_let_in(
    volumes: VolumeDriver, tmp_path: Path
) -> None:
    id, attachment, again = await sealed(volumes), new_id(), new_id()
    ways = await volumes.serve(id, Serving({attachment: False}), SEALED)
    assert ways[attachment].encrypted
    await asked(ways[attachment], f"write -P {_MARK} 0 1M", "flush")
    assert (await volumes.observe())[id].size_bytes == GIB
    await volumes.serve(id, Serving())
    written = on_the_disk(tmp_path)
    assert bytes([_MARK]) * 64 not in written
    assert SEALED.passphrase.encode() not in written
    with pytest.raises(DriverError):
        await volumes.serve(id, Serving({again: False}))
    ways = await volumes.serve(id, Serving({again: False}), SEALED)
    assert await holds(ways[again], _MARK)


@pytest.mark.parametrize("volumes", WITH_BYTES, indirect=True)
async def test_copies_of_what_is_sealed_are_sealed_and_may_be_larger(volumes: VolumeDriver, tmp_path: Path) -> None:
    assert isinstance(volumes, Snapshots)
    id, attachment, snapshot, first, second = await sealed(volumes), new_id(), new_id(), new_id(), new_id()
    ways = await volumes.serve(id, Serving({attachment: False}), SEALED)
    await asked(ways[attachment], f"write -P {_MARK} 0 1M", "flush")
    await volumes.snapshot(id, snapshot)
    await volumes.create(VolumeSpec(first, 2, FromVolume(id), SEALED))
    await volumes.grow(id, 2)
    await volumes.serve(id, Serving())
    await volumes.create(VolumeSpec(second, 1, FromSnapshot(snapshot), SEALED))
    assert bytes([_MARK]) * 64 not in on_the_disk(tmp_path)
    for copy in (first, second):
        ways = await volumes.serve(copy, Serving({attachment: False}), SEALED)
        assert await holds(ways[attachment], _MARK)
    sizes = {id: volume.size_bytes for id, volume in (await volumes.observe()).items()}
    assert sizes == {id: 2 * GIB, first: 2 * GIB, second: GIB}
    with pytest.raises(DriverError):
        await volumes.create(VolumeSpec(new_id(), 1, FromSnapshot(snapshot)))


@pytest.mark.parametrize("volumes", WITH_BYTES, indirect=True)
async def test_an_image_becomes_what_is_sealed(volumes: VolumeDriver, tmp_path: Path) -> None:
    image, id, attachment = tmp_path / "image", new_id(), new_id()
    image.write_bytes(bytes([_MARK]) * (1 << 20))
    cbc = Key(SEALED.passphrase, "aes-256", "cbc", "essiv", "sha256")
    await volumes.create(VolumeSpec(id, 1, FromImage(str(image), "raw"), cbc))
    image.unlink()
    assert bytes([_MARK]) * 64 not in on_the_disk(tmp_path)
    ways = await volumes.serve(id, Serving({attachment: False}), cbc)
    assert await holds(ways[attachment], _MARK)
    assert "cbc" not in repr(cbc) and cbc.passphrase not in repr(VolumeSpec(id, 1, key=cbc))
