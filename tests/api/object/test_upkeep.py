"""Bad days: bytes without a row, rows without bytes, bytes that are others than they were, a full disk."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.object.object_cloud import ACCOUNT, Cloud, cloud
from tests.api.one_service import MINE

from trivet.domain.objects import uploads
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.files import FileBlobs

__all__ = ["cloud"]


async def chunks(*content: bytes) -> AsyncIterator[bytes]:
    for one in content:
        yield one


async def damages(cloud: Cloud) -> list[str]:
    async with cloud.store.read() as tx:
        return [str(row[0]) for row in await tx.rows("SELECT why FROM object_damages")]


async def scrubbed(cloud: Cloud) -> list[str]:
    while await cloud.upkeep.scrub():
        await asyncio.sleep(0)
    return await damages(cloud)


async def test_bytes_whose_writer_died_before_the_row_are_found(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"kept" * 2000)
    await uploads.receive(cloud.parts, uploads.Room(MINE), chunks(b"killed between blob and row" * 200))
    assert await cloud.kept() == 2
    await cloud.upkeep.remove_orphans()
    assert await cloud.kept() == 2, "its writer may be about to write the row"
    for path in cloud.blobs():
        os.utime(path, (0, 0))
    await cloud.upkeep.remove_orphans()
    assert await cloud.kept() == 1
    assert (await cloud.get("box/x")).raw == b"kept" * 2000


async def test_who_reads_a_deleted_object_reads_on_and_disturbs_nobody(cloud: Cloud) -> None:
    await cloud.put("box")
    content = os.urandom(3 << 20)
    await cloud.put("box/x", content)
    reading = cloud.parts.blobs.read(cloud.blobs()[0].name)
    first = await anext(reading)
    await cloud.call("DELETE", f"{ACCOUNT}/box/x")
    await cloud.tidy()
    assert await cloud.kept() == 0
    assert first + b"".join([chunk async for chunk in reading]) == content


@pytest.mark.parametrize("size", [5000, 300_000])
async def test_the_scrub_tells_what_rots(cloud: Cloud, size: int) -> None:
    await cloud.put("box")
    content = os.urandom(size)
    await cloud.put("box/x", content)
    await cloud.put("box/well", b"well")
    await cloud.call("COPY", f"{ACCOUNT}/box/x", destination="box/copy")
    assert await scrubbed(cloud) == []
    (path,) = [path for path in cloud.blobs() if path.stat().st_size == size]
    for made, why in (
        (bytes([content[0] ^ 1]) + content[1:], "its bytes are others than they were"),
        (content[:-1], f"{size - 1} bytes of {size} are there"),
    ):
        path.write_bytes(made)
        assert await scrubbed(cloud) == [], "a round is over, the next is a week later"
        cloud.clock.passed_s += 8 * 24 * 3600
        assert await scrubbed(cloud) == [why]
        async with cloud.store.write() as tx:
            await tx.run("DELETE FROM object_damages")
    assert (await cloud.get("box/x")).status in (200, 503)
    path.unlink()
    assert (await cloud.get("box/x")).status == 503
    cloud.clock.passed_s += 8 * 24 * 3600
    assert await scrubbed(cloud) == ["its bytes are gone"]
    for name in ("x", "copy"):
        await cloud.call("DELETE", f"{ACCOUNT}/box/{name}")
    cloud.clock.passed_s += 8 * 24 * 3600
    assert await scrubbed(cloud) == [], "of what is gone nothing is told"


@pytest.mark.parametrize("size", [5000, 3 << 20])
async def test_a_full_disk_is_told_and_leaves_what_was_there(
    cloud: Cloud, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("trivet.drivers.files._write_all", full)
        answer = await cloud.call("PUT", f"{ACCOUNT}/box/x", b"x" * size)
    assert answer.status == 507
    assert b"full" in answer.raw
    assert (await cloud.get("box/x")).raw == b"before"
    assert await cloud.kept() == 1
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/x", b"after")).status == 201


async def test_many_are_deleted_while_they_are_listed(cloud: Cloud) -> None:
    await cloud.put("box")
    for number in range(60):
        await cloud.put(f"box/{number:03}", b"x")

    async def listed() -> list[str]:
        found: list[str] = []
        while part := await cloud.names(f"box?limit=10&marker={found[-1] if found else ''}"):
            found += part
            await asyncio.sleep(0)
        return found

    async def deleted() -> None:
        for number in range(60):
            assert (await cloud.call("DELETE", f"{ACCOUNT}/box/{number:03}")).status == 204

    told, _ = await asyncio.gather(listed(), deleted())
    assert told == sorted(set(told))
    assert await cloud.names("box") == []
    await cloud.tidy()
    assert await cloud.kept() == 0
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box")).status == 204


async def test_writers_of_one_name_at_once_leave_one_of_theirs(cloud: Cloud) -> None:
    await cloud.put("box")
    contents = [bytes([number]) * 100 for number in range(10)]
    answers = await asyncio.gather(*(cloud.call("PUT", f"{ACCOUNT}/box/x", content) for content in contents))
    assert {answer.status for answer in answers} == {201}
    assert (await cloud.get("box/x")).raw in contents
    head = (await cloud.call("HEAD", f"{ACCOUNT}/box")).headers
    assert (head["x-container-object-count"], head["x-container-bytes-used"]) == ("1", "100")
    await cloud.tidy()
    assert await cloud.kept() == 1


async def test_bytes_that_cannot_be_read_now_are_no_damage(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"content" * 1000)

    async def away(key: str) -> int:
        raise DriverError("The disk is away.", again=True)

    monkeypatch.setattr(cloud.parts.blobs, "size", away)
    with pytest.raises(DriverError):
        await cloud.upkeep.scrub()
    assert await damages(cloud) == []


def test_the_folders_of_blobs_are_few(tmp_path: Path) -> None:
    path = FileBlobs(tmp_path).local_path("object.0123")
    assert path is not None
    assert Path(path).relative_to(tmp_path).parts[0] == "object"
    assert len(Path(path).relative_to(tmp_path).parts) == 3


async def test_a_few_bytes_rot_too(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"few")
    async with cloud.store.write() as tx:
        await tx.run("UPDATE object_small SET content = 'bGVz'")
    assert await scrubbed(cloud) == ["its bytes are others than they were"]
