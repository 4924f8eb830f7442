"""The sweep: what died on the way is put back, what nobody refers to is removed.

It may run anywhere, twice, or late. It looks at the blobs first and at the records second: a blob that is
being written is not known to be an orphan before it is an hour old.
"""

import logging

import msgspec

from trivet.domain import orphans
from trivet.domain.images import images, stores
from trivet.domain.images import tasks as image_tasks
from trivet.domain.images.data import WRITER_DEAD_S
from trivet.domain.images.images import IMAGES
from trivet.parts import Parts
from trivet.store.leases import Sightings
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

_SWEPT_AGAIN_S = 150.0
"""At the latest; after a longer gap a writer may have been kept from his signs as we were from looking."""
_logger = logging.getLogger(__name__)


async def sweep(parts: Parts) -> None:
    for key in await transact(parts.store, lambda tx: _put_back_dead(tx, parts.sightings)):
        await orphans.removed(parts, key)
    await transact(parts.store, image_tasks.forget_old)
    await _finish_deletes(parts)
    for kind in stores.kinds(parts.settings):
        await orphans.remove_orphans(parts, kind, _used)


async def _put_back_dead(tx: Tx, sightings: Sightings) -> list[str]:
    """Images whose writer went silent, or whose import nobody knows any more; the keys of what they left."""
    left = []
    for image in await tx.select(IMAGES, Where().add("writing_until IS NOT NULL")):
        # Written at every sign of life, and seen to have changed; as a time it says nothing (store/leases.py).
        said = 0, image.writing_until or 0.0
        if sightings.unchanged_s(f"writer {image.writing_key}", said, _SWEPT_AGAIN_S) < WRITER_DEAD_S:
            continue
        _logger.info("Image %s: its writer went silent; putting it back", image.id)
        if image.writing_key is not None:
            left.append(image.writing_key)
        back: dict[str, object] = {"writing_key": None, "writing_until": None, "writing_mib": 0}
        if image.blob_key is None:
            # An import that was cut short goes on as one: its task is taken over.
            back["status"] = "importing" if image.status == "importing" else "queued"
            back["size"] = image.staged_size
        await images.write(tx, image, **back)
    forgotten = Where().add(
        "(status = 'importing' OR (importing_to IS NOT NULL AND importing_to <> '[]')) AND writing_until IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM image_tasks t"
        " WHERE t.image_id = images.id AND t.status IN ('pending', 'processing'))"
    )
    for image in await tx.select(IMAGES, forgotten):
        if image.status != "importing":
            await images.write(tx, image, importing_to=(), failed_stores=image.importing_to)
            continue
        if image.staged_key is not None:
            left.append(image.staged_key)
        why = "The import was lost; try again."
        await images.write(
            tx, image, status="queued", fault=why, staged_key=None, staged_size=None, size=None,
            importing_to=(), failed_stores=image.importing_to,
        )  # fmt: skip
    return left


async def _finish_deletes(parts: Parts) -> None:
    async with parts.store.read() as tx:
        rows = await tx.rows("SELECT id, blob_keys FROM deleted_images WHERE blob_keys IS NOT NULL LIMIT 1000")
    for id, keys in rows:
        if all([await orphans.removed(parts, key) for key in str(keys).split()]):
            async with parts.store.write() as tx:
                await tx.run("UPDATE deleted_images SET blob_keys = NULL WHERE id = ?", id)


async def _used(tx: Tx) -> set[str]:
    rows = await tx.rows("SELECT blob_key, staged_key, writing_key FROM images")
    found = {str(key) for row in rows for key in row if key is not None}
    for (copies,) in await tx.rows("SELECT copies FROM images WHERE copies <> '{}'"):
        found |= set(msgspec.json.decode(copies, type=dict[str, str]).values())
    return found
