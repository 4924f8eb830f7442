"""Blobs as files: whole or not there."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.files import FileBlobs

MIB = 1 << 20


async def read(blobs: FileBlobs, key: str, offset: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key, offset, length)])


async def write(blobs: FileBlobs, key: str, *chunks: bytes) -> None:
    sink = await blobs.create(key)
    for chunk in chunks:
        await sink.write(chunk)
    await sink.finish()


async def test_a_blob_reads_back_whole_and_in_parts(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    data = os.urandom(2 * MIB + 3)
    await write(blobs, "a", data[:10], data[10:MIB], data[MIB:])
    assert await blobs.size("a") == len(data)
    assert await read(blobs, "a") == data
    assert await read(blobs, "a", MIB - 5, 10) == data[MIB - 5 : MIB + 5]
    assert await read(blobs, "a", len(data) - 2, 100) == data[-2:]
    assert await read(blobs, "a", 0, 0) == b""
    path = blobs.local_path("a")
    assert path is not None
    assert Path(path).read_bytes() == data


async def test_a_blob_is_seen_only_once_it_is_finished(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    sink = await blobs.create("a")
    await sink.write(b"half")
    assert await blobs.keys() == set()
    assert await blobs.size("a") is None
    await sink.finish()
    assert await blobs.keys() == {"a"}


async def test_an_abandoned_blob_leaves_nothing(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    sink = await blobs.create("a")
    await sink.write(b"half")
    await sink.abandon()
    await sink.abandon()
    assert list(tmp_path.iterdir()) == []


async def test_what_a_dead_writer_left_goes_when_it_is_old(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    sinks = [await blobs.create(key) for key in ("old", "new")]
    for sink in sinks:
        await sink.write(b"half")
    os.utime(tmp_path / "old.part", (0, 0))
    assert await blobs.keys() == set()
    assert [path.name for path in tmp_path.iterdir()] == ["new.part"]
    for sink in sinks:
        await sink.abandon()


async def test_removing_twice_is_fine_and_who_reads_goes_on_reading(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    data = os.urandom(2 * MIB)
    await write(blobs, "a", data)
    reading = blobs.read("a")
    first = await anext(reading)
    await blobs.remove("a")
    await blobs.remove("a")
    assert first + b"".join([chunk async for chunk in reading]) == data
    with pytest.raises(DriverError):
        await read(blobs, "a")


@pytest.mark.parametrize("key", ["", "../a", "a/b", ".hidden", "a\0b", "a.part"])
async def test_a_name_never_leads_out_of_the_directory(tmp_path: Path, key: str) -> None:
    blobs = FileBlobs(tmp_path)
    with pytest.raises(DriverError):
        await blobs.create(key)
    with pytest.raises(DriverError):
        await blobs.remove(key)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is always full")
async def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    (tmp_path / "a.part").symlink_to("/dev/full")
    sink = await blobs.create("a")
    with pytest.raises(DriverError, match="disk that keeps the bytes is full") as told:
        await sink.write(b"x" * MIB)
    assert told.value.again
    assert isinstance(told.value.__cause__, OSError)
    assert told.value.__cause__.errno == errno.ENOSPC
    await sink.abandon()


async def test_many_write_at_once(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    await asyncio.gather(*(write(blobs, f"k{n}", bytes([n]) * MIB) for n in range(20)))
    assert await blobs.keys() == {f"k{n}" for n in range(20)}
    assert await read(blobs, "k7") == b"\7" * MIB
