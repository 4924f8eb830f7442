"""The scrub: every blob that a row points at is read again now and then, and held against what the row says.

Bytes rot: a disk flips one, somebody truncates a file. Nobody can mend that here, but it is told while the owner may
still have another copy: in the log, as a measure, and as a row of `object_damages` until the object is gone.
"""

import asyncio
import hashlib
import logging

import msgspec

from trivet.domain.objects import small
from trivet.drivers.contracts.errors import DriverError
from trivet.parts import Parts
from trivet.store.tx import Tx

AT_ONCE = 100
_ID = "objects"
_DONE = "~"
"""Behind every key."""
_logger = logging.getLogger(__name__)
_SQL_NEXT = " UNION ".join(
    f"SELECT o.blob_key, o.size, o.etag, o.id, c.project_id FROM {table} o"
    " JOIN object_containers c ON c.id = o.container_id WHERE o.blob_key > ?"
    for table in ("objects", "object_versions")
)


class Kept(msgspec.Struct, frozen=True):
    """What a row says of a blob."""

    blob_key: str
    size: int
    etag: str
    object_id: str
    project_id: str


async def begin(tx: Tx, again_after_s: float) -> str | None:
    """Where to go on; None: the last round is not long enough ago."""
    row = await tx.row("SELECT mark, began_at FROM object_scrub WHERE id = ?", _ID)
    now = tx.clock.now()
    if row is None:
        await tx.run("INSERT INTO object_scrub (id, mark, began_at) VALUES (?, '', ?) ON CONFLICT DO NOTHING", _ID, now)
        return ""
    if row[0] != _DONE:
        return str(row[0])
    if now - float(row[1]) < again_after_s:
        return None
    await tx.run("UPDATE object_scrub SET mark = '', began_at = ? WHERE id = ?", now, _ID)
    return ""


async def reached(tx: Tx, mark: str | None) -> None:
    await tx.run("UPDATE object_scrub SET mark = ? WHERE id = ?", mark or _DONE, _ID)


async def following(tx: Tx, mark: str) -> list[Kept]:
    """One a blob: who shares it says the same of it."""
    rows = await tx.rows(f"{_SQL_NEXT} ORDER BY 1, 4 LIMIT ?", mark, mark, AT_ONCE)
    found: dict[str, Kept] = {}
    for row in rows:
        found.setdefault(str(row[0]), Kept(*row))
    return list(found.values())


async def fault(parts: Parts, kept: Kept) -> str | None:
    """What is wrong with a blob; None, if it is as it was. Trouble that may pass is raised."""
    if small.is_small(kept.blob_key):
        async with parts.store.read() as tx:
            content = await small.read(tx, kept.blob_key)
        if content is None:
            return "its bytes are gone"
        well = hashlib.md5(content, usedforsecurity=False).hexdigest() == kept.etag
        return None if well else "its bytes are others than they were"
    try:
        size = await parts.blobs.size(kept.blob_key)
        if size is None:
            return "its bytes are gone"
        if size != kept.size:
            return f"{size} bytes of {kept.size} are there"
        digest = hashlib.md5(usedforsecurity=False)
        async for chunk in parts.blobs.read(kept.blob_key):
            await asyncio.to_thread(digest.update, chunk)
    except DriverError as error:
        if error.again:
            raise
        return "its bytes are gone"
    return None if digest.hexdigest() == kept.etag else "its bytes are others than they were"


async def tell(tx: Tx, kept: Kept, why: str) -> None:
    """Unless it was deleted, or replaced, while it was looked at."""
    still = "SELECT 1 FROM {} WHERE blob_key = ? LIMIT 1"
    if all([await tx.row(still.format(table), kept.blob_key) is None for table in ("objects", "object_versions")]):
        return
    new = await tx.run(
        "INSERT INTO object_damages (blob_key, project_id, object_id, why, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        kept.blob_key,
        kept.project_id,
        kept.object_id,
        why,
        tx.clock.now(),
    )
    if new:
        _logger.error(
            "Object %s of project %s is damaged: %s (%s)", kept.object_id, kept.project_id, why, kept.blob_key
        )


async def forget_gone(tx: Tx) -> None:
    """Damages of what nobody has any more."""
    await tx.run(
        "DELETE FROM object_damages WHERE blob_key NOT IN (SELECT blob_key FROM objects WHERE blob_key IS NOT NULL)"
        " AND blob_key NOT IN (SELECT blob_key FROM object_versions WHERE blob_key IS NOT NULL)"
    )


async def damaged(tx: Tx) -> int:
    row = await tx.row("SELECT COUNT(*) FROM object_damages")
    return int(row[0]) if row is not None else 0
