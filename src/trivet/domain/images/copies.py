"""Copies of an image in further stores: made from one that is there, and taken away again while another one is left."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from trivet.domain.callers import Caller
from trivet.domain.images import content, images, sinks
from trivet.domain.images import data as image_data
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.images.stores import Targets
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Conflict, Forbidden, NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

_REST = {"writing_key": None, "writing_until": None, "writing_mib": 0}


async def copy(parts: Parts, image: Image, to: Targets, finish: Callable[[Tx], Awaitable[None]]) -> None:
    """`image` waits for the copies under its writing_key. `finish` joins the last transaction."""

    async def end(tx: Tx) -> None:
        current = await image_data.still_mine(tx, image)
        await finish(tx)
        await images.write(
            tx, current, copies=current.kept | made.copies, importing_to=(), failed_stores=tuple(made.failed),
            updated_at=tx.clock.now(), **_REST,
        )  # fmt: skip

    async def back(tx: Tx) -> None:
        current = await tx.get(IMAGES, image.id)
        if current is not None and current.writing_key == image.writing_key:
            await images.write(tx, current, **_REST)

    async def tidy() -> None:
        await transact(parts.store, back)
        await image_data.drop_written(parts, image.writing_key or "", to)

    try:
        async with image_data.alive(parts, image):
            made = await _write(parts, image, to)
            await transact(parts.store, end)
    except BaseException:
        await asyncio.shield(tidy())
        raise


async def _write(parts: Parts, image: Image, to: Targets) -> sinks.Sinks:
    """The same bytes, and no others."""
    assert image.writing_key is not None and image.blob_key is not None
    made = await sinks.open_all(parts.blobs, image.writing_key, to)
    digest = hashlib.sha512()
    try:
        async for chunk in await content.read(parts, image, image.blob_key):
            await asyncio.gather(asyncio.to_thread(digest.update, chunk), made.write(chunk))
        if image.os_hash_algo == "sha512" and image.os_hash_value != digest.hexdigest():
            raise DriverError("The image's data are damaged where they were read.", again=False)
        await made.finish()
    except BaseException:
        await made.abandon()
        raise
    return made


async def remove(tx: Tx, caller: Caller, id: str, store: str) -> str:
    """The key of the blob that is to be removed after the commit."""
    image = await images.owned(tx, caller, id)
    if image.status != "active":
        raise Conflict(
            "image.not_active",
            f"It's not allowed to remove image data from store if image status is not 'active' (it is {image.status}).",
        )
    kept = dict(image.kept)
    if store not in kept:
        raise NotFound("store.absent", f"Image {id} is not in a store {store[:64]!r}.")
    if image.importing_to:
        raise Conflict("import.under_way", f"Image {id} is being copied to {', '.join(image.importing_to)}; wait.")
    if len(kept) == 1:
        raise Forbidden("store.last", f"Cannot delete image from its last store: delete image {id} itself.")
    key = kept.pop(store)
    blob_key = next(iter(kept.values())) if image.blob_key == key else image.blob_key
    await images.write(tx, image, copies=kept, blob_key=blob_key, updated_at=tx.clock.now())
    return key
