"""Garbage: blobs that no row points at any more, and those that no row ever did.

A row that stops pointing at a blob says so in the same transaction. The blob goes when that is a while ago, since
somebody may just have read the row, and only if no other row points at it: a copy is made from a row that is there, so
one that is not pointed at now never will be again.
What was written by who died before he wrote the row is found by walking over all blobs: such a one is old, and no row
points at it.
"""

from collections.abc import Sequence

from trivet.domain.objects import small
from trivet.domain.objects.uploads import KIND
from trivet.domain.orphans import ORPHAN_S
from trivet.drivers.contracts.blobs import Found
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

LATE_READERS_S = 60.0
_AT_ONCE = 200
_SQL_POINTED_AT = " UNION ALL ".join(
    f"SELECT blob_key FROM {table} WHERE blob_key IN ({{marks}})" for table in ("objects", "object_versions")
)


async def clear(parts: Parts) -> bool:
    """A part of it; whether there is more."""
    async with parts.store.read() as tx:
        rows = await tx.rows(
            "SELECT id, blob_key FROM object_garbage WHERE at < ? ORDER BY at LIMIT ?",
            tx.clock.now() - LATE_READERS_S,
            _AT_ONCE,
        )
        used = await pointed_at(tx, [str(row[1]) for row in rows])
    unused = {str(row[1]) for row in rows} - used
    for key in sorted(unused):
        if not small.is_small(key):
            await parts.blobs.remove(key)

    async def forget(tx: Tx) -> None:
        for key in sorted(unused):
            if small.is_small(key):
                await small.remove(tx, key)
        for id in sorted(str(row[0]) for row in rows):
            await tx.run("DELETE FROM object_garbage WHERE id = ?", id)

    if rows:
        await transact(parts.store, forget)
    return len(rows) == _AT_ONCE


async def pointed_at(tx: Tx, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        sql = _SQL_POINTED_AT.replace("{marks}", ", ".join("?" for _ in part))
        found |= {str(row[0]) for row in await tx.rows(sql, *part, *part)}
    return found


async def orphans(tx: Tx, found: Sequence[Found]) -> list[str]:
    """Of blobs that lie there, those that no row points at, nor did a while ago."""
    limit = tx.clock.now() - ORPHAN_S
    old = [one.key for one in found if one.at < limit and one.key.startswith(f"{KIND}.")]
    used = await pointed_at(tx, old)
    return [key for key in old if key not in used]
