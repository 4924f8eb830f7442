"""The objects of backups: in the account of the backup's project, counted like all that is there, and the tenant's own.

So none is believed: an index has a digest in the backup's row, and a piece has one in the index.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

from trivet.controllers.volumes.backup_index import PIECE_BYTES, Index, Kept
from trivet.domain.objects import acts, containers, content, objects, uploads
from trivet.domain.objects.objects import Content, Place
from trivet.domain.volumes.backups import Backup
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, TrivetError
from trivet.parts import Parts
from trivet.store.tx import Tx
from trivet.store.where import Where

_TYPE = "application/octet-stream"
_CHUNK_BYTES = 1 << 20
_AT_ONCE = 100
_CHANGED = "was changed, damaged or deleted since; the backup cannot be used."


def segment_name(prefix: str, number: int) -> str:
    return f"{prefix}segment-{number:08d}"


def index_name(prefix: str) -> str:
    return f"{prefix}index"


async def in_chunks(raw: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), _CHUNK_BYTES):
        yield raw[start : start + _CHUNK_BYTES]


Still = Callable[[Tx, Backup], Awaitable[None]]
"""Raises, if nobody may write for the backup any more."""


async def put(parts: Parts, backup: Backup, name: str, chunks: AsyncIterator[bytes], still: Still) -> None:
    place = Place(backup.project_id, backup.container, name)
    try:
        received = await uploads.receive(parts, uploads.Room(backup.project_id), chunks)

        async def act(tx: Tx) -> None:
            await still(tx, backup)
            if await containers.find(tx, backup.project_id, backup.container) is None:
                await containers.put(tx, backup.project_id, backup.container, {})
            said = Content(size=received.size, etag=received.etag, blob_key=received.key, content_type=_TYPE)
            await acts.set_down(tx, place, said)

        await uploads.settle(parts, received, act)
    except TrivetError as error:
        raise _told(error) from error


def _told(error: TrivetError) -> DriverError:
    """What is only for now is tried again; a full quota is not."""
    return DriverError(error.message, again=isinstance(error, Busy) and error.code != "object.damaged")


async def index_of(parts: Parts, backup: Backup) -> Index:
    """It is the tenant's object, and may be as long as he likes up to that: it is looked at aside."""
    most = (backup.size_gib << 10) * 64 + (2 << 20)
    raw = await _whole(parts, Place(backup.project_id, backup.container, index_name(backup.prefix)), most)
    return await asyncio.to_thread(Index.read, raw, backup.index_digest)


async def _whole(parts: Parts, place: Place, most: int) -> bytes:
    try:
        async with parts.store.read() as tx:
            _, found = await objects.find_both(tx, place)
        if found is None or found.size > most:
            raise DriverError(f"The object {place.container}/{place.name} {_CHANGED}", again=False)
        chunks = [bytes(chunk) async for chunk in content.whole(parts, place.project_id, found, 0, found.size)]
    except TrivetError as error:
        raise _told(error) from error
    return b"".join(chunks)


async def piece(parts: Parts, project_id: str, index: Index, kept: Kept) -> bytes:
    """As it was when it was stored, or DriverError."""
    if kept.source >= len(index.head.sources):
        raise DriverError("The backup's index names what it does not have.", again=False)
    source = index.head.sources[kept.source]
    place = Place(project_id, source.container, segment_name(source.prefix, kept.segment))
    start = kept.place * PIECE_BYTES
    try:
        async with parts.store.read() as tx:
            _, found = await objects.find_both(tx, place)
        if found is None or found.size < start + PIECE_BYTES:
            raise DriverError(f"The object {place.container}/{place.name} {_CHANGED}", again=False)
        chunks = [bytes(chunk) async for chunk in content.whole(parts, project_id, found, start, PIECE_BYTES)]
    except TrivetError as error:
        raise _told(error) from error
    data = b"".join(chunks)
    if hashlib.sha256(data).digest() != kept.digest:
        raise DriverError(f"The object {place.container}/{place.name} {_CHANGED}", again=False)
    return data


async def remove_some(tx: Tx, backup: Backup) -> bool:
    """Whether there are more. Only what the backup has stored, and only if its container still is there."""
    home = await containers.find(tx, backup.project_id, backup.container)
    if home is None:
        return False
    first, behind = backup.prefix, f"{backup.prefix[:-1]}0"
    where = Where().equal("container_id", home.id).add("name >= ?", first).add("name < ?", behind)
    found = await tx.select(objects.TABLE, where, order="name", limit=_AT_ONCE)
    for one in sorted(found, key=lambda one: one.id):
        await objects.take_away(tx, home, one)
    return len(found) == _AT_ONCE
