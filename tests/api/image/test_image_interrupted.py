"""Uploads that end in the middle, by whatever hand: no bytes are left that belong to nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.image.image_cloud import Cloud, cloud
from tests.api.one_service import MINE, caller_of

from trivet.domain.images import data as image_data
from trivet.domain.images import images
from trivet.domain.images import sweep as image_sweep
from trivet.domain.orphans import ORPHAN_S
from trivet.errors import Conflict
from trivet.store.store import transact
from trivet.store.tx import Tx

__all__ = ["cloud"]

MIB = 1 << 20


async def test_a_client_that_goes_away_leaves_a_queued_image_and_no_bytes(cloud: Cloud) -> None:
    image = await cloud.create()
    await cloud.upload_in_chunks(image["id"], [b"x" * MIB, b"y" * MIB, None])
    assert (await cloud.show(image["id"]))["status"] == "queued"
    assert await cloud.blob_keys() == set()
    (await cloud.upload(image["id"], b"again")).ok()


async def left_half_written(cloud: Cloud, id: str) -> None:
    """As by a process that is killed in the middle of an upload."""
    key = image_data.new_key(cloud.parts)

    async def begin(tx: Tx) -> None:
        await image_data.start_writing(tx, await images.owned(tx, caller_of(MINE), id), "saving", key)

    await transact(cloud.store, begin)
    sink = await cloud.parts.blobs.create(key)
    await sink.write(b"half of it")
    await sink.finish()


async def test_an_upload_that_was_killed_is_put_back_by_the_sweep(cloud: Cloud) -> None:
    image = await cloud.create()
    await left_half_written(cloud, image["id"])
    await image_sweep.sweep(cloud.parts)
    assert (await cloud.show(image["id"]))["status"] == "saving"
    await cloud.silence(image_data.WRITER_DEAD_S)
    await image_sweep.sweep(cloud.parts)
    assert (await cloud.show(image["id"]))["status"] == "queued"
    assert await cloud.blob_keys() == set()


async def test_orphans_go_after_an_hour_and_nothing_else_does(cloud: Cloud) -> None:
    kept = await cloud.active(b"kept")
    orphan = image_data.new_key(cloud.parts)
    for key in (orphan, "object.of.others"):
        sink = await cloud.parts.blobs.create(key)
        await sink.finish()
    await image_sweep.sweep(cloud.parts)
    assert len(await cloud.blob_keys()) == 3
    cloud.clock.added_s += ORPHAN_S + 1
    await image_sweep.sweep(cloud.parts)
    found = await cloud.blob_keys()
    assert orphan not in found
    assert "object.of.others" in found
    assert len(found) == 2
    assert (await cloud.call("GET", f"/v2/images/{kept['id']}/file")).raw == b"kept"


async def test_a_delete_that_was_killed_before_the_bytes_went_is_finished(cloud: Cloud) -> None:
    image = await cloud.active(b"bytes")
    await transact(cloud.store, lambda tx: images.delete(tx, caller_of(MINE), image["id"]))
    assert len(await cloud.blob_keys()) == 1
    await image_sweep.sweep(cloud.parts)
    assert await cloud.blob_keys() == set()


async def half_uploaded(cloud: Cloud, id: str) -> tuple[asyncio.Task[None], asyncio.Event]:
    """An upload that waits after its first part, until it is told to go on."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        waiting.set()
        await go_on.wait()
        yield b"of the slow one"

    uploading = asyncio.create_task(image_data.upload(cloud.parts, caller_of(MINE), id, slowly()))
    await waiting.wait()
    return uploading, go_on


async def test_deleting_an_image_while_it_is_uploaded_ends_the_upload(cloud: Cloud) -> None:
    image = await cloud.create()
    uploading, go_on = await half_uploaded(cloud, image["id"])
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).ok()
    go_on.set()
    with pytest.raises(Exception, match="was deleted while"):
        await uploading
    assert await cloud.blob_keys() == set()


async def test_a_writer_that_was_given_up_cannot_finish_over_its_successor(cloud: Cloud) -> None:
    image = await cloud.create()
    slow, go_on = await half_uploaded(cloud, image["id"])
    await cloud.silence(image_data.WRITER_DEAD_S)
    await image_sweep.sweep(cloud.parts)
    (await cloud.upload(image["id"], b"of the successor")).ok()
    go_on.set()
    with pytest.raises(Conflict, match="taken over"):
        await slow
    assert (await cloud.call("GET", f"/v2/images/{image['id']}/file")).raw == b"of the successor"
    assert len(await cloud.blob_keys()) == 1


async def test_bytes_that_cannot_be_removed_stop_no_other_and_are_tried_again(cloud: Cloud, tmp_path: Path) -> None:
    stuck, other = await cloud.active(b"stuck"), await cloud.active(b"other")
    files = {path.read_bytes(): path for path in (tmp_path / "blobs").iterdir() if path.is_file()}
    files[b"stuck"].unlink()
    (files[b"stuck"] / "in the way").mkdir(parents=True)
    for image in (stuck, other):
        async with cloud.store.write() as tx:
            await images.delete(tx, caller_of(MINE), image["id"])
    await image_sweep.sweep(cloud.parts)
    assert not files[b"other"].exists()
    (files[b"stuck"] / "in the way").rmdir()
    files[b"stuck"].rmdir()
    files[b"stuck"].write_bytes(b"stuck")
    await image_sweep.sweep(cloud.parts)
    assert not files[b"stuck"].exists()


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
async def test_a_clock_that_jumps_takes_no_image_from_its_writer(cloud: Cloud, jump_s: float) -> None:
    """The class: a lease that is read as a time of day. What is being written is whole in the end."""
    image = await cloud.create()
    slow, go_on = await half_uploaded(cloud, image["id"])
    await image_sweep.sweep(cloud.parts)
    cloud.clock.added_s += jump_s
    await image_sweep.sweep(cloud.parts)
    assert (await cloud.show(image["id"]))["status"] == "saving"
    go_on.set()
    await slow
    assert (await cloud.show(image["id"]))["status"] == "active"


async def test_who_died_before_the_clock_was_set_back_is_put_back_all_the_same(cloud: Cloud) -> None:
    image = await cloud.create()
    await left_half_written(cloud, image["id"])
    cloud.clock.added_s -= 24 * 3600
    await cloud.silence(image_data.WRITER_DEAD_S)
    assert (await cloud.show(image["id"]))["status"] == "queued"
