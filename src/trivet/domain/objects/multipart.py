"""Uploads in parts, as S3 has them: begun, filled part by part in any order, and then complete, or given up.

A part is an object of a container beside, `BUCKET+segments`, so that it is counted and limited like all else; what
comes of the parts is a large object that names them. They go with it.
"""

import asyncio
import hashlib
from collections.abc import Collection, Sequence

import msgspec

from trivet.domain.numbers import whole_number
from trivet.domain.objects import acts, containers, objects
from trivet.domain.objects.acts import Check, nothing_asked
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Content, Object, Place, Segment
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

BESIDE = "+segments"
PARTS_MAX = 10_000
PART_BYTES_MIN = 5 << 20
"""Of all but the last."""
_UPLOADS_MAX = 1000
"""Of one container at a time."""
_AT_ONCE = 100


class Upload(Record, frozen=True, kw_only=True):
    container_id: str
    name: str
    user_id: str
    content_type: str
    metadata: dict[str, str] = {}
    created_at: float


UPLOADS = Table("object_uploads", Upload, logged=False)


class Part(msgspec.Struct, frozen=True):
    """As its client says it."""

    number: int
    etag: str


async def begin(tx: Tx, place: Place, user_id: str, content_type: str, metadata: dict[str, str]) -> Upload:
    home = await containers.need(tx, place.project_id, place.container)
    row = await tx.row("SELECT COUNT(*) FROM object_uploads WHERE container_id = ?", home.id)
    if row is not None and int(row[0]) >= _UPLOADS_MAX:
        raise Conflict("upload.too_many", f"There are {_UPLOADS_MAX} uploads under way; complete or abort some.")
    if await containers.find(tx, place.project_id, beside(place.container)) is None:
        await containers.put(tx, place.project_id, beside(place.container), {})
    upload = Upload(
        id=tx.ids.hex(), container_id=home.id, name=place.name, user_id=user_id, content_type=content_type,
        metadata=metadata, created_at=tx.clock.now(),
    )  # fmt: skip
    return await tx.insert(UPLOADS, upload)


def beside(container: str) -> str:
    return f"{container}{BESIDE}"


async def need(tx: Tx, place: Place, upload_id: str) -> Upload:
    """One of this very object."""
    home = await containers.need(tx, place.project_id, place.container)
    found = await tx.get(UPLOADS, upload_id)
    if found is None or found.container_id != home.id or found.name != place.name:
        raise NotFound("upload.absent", "The specified multipart upload does not exist.")
    return found


def part_place(place: Place, upload_id: str, number: int) -> Place:
    return Place(place.project_id, beside(place.container), f"{upload_id}/{number:05d}")


async def parts(tx: Tx, place: Place, upload_id: str, after: int = 0, most: int = PARTS_MAX) -> list[Object]:
    home = await containers.find(tx, place.project_id, beside(place.container))
    if home is None:
        return []
    where = Where().equal("container_id", home.id).add("name > ?", f"{upload_id}/{after:05d}")
    where.add("name < ?", f"{upload_id}0")
    return await tx.select(objects.TABLE, where, order="name", limit=most)


def number_of(part: Object) -> int:
    return int(part.name.rpartition("/")[2])


async def put_part(tx: Tx, place: Place, upload_id: str, number: int, content: Content) -> Object:
    upload = await need(tx, place, upload_id)
    await hold(tx, UPLOADS, upload.id)
    return await acts.set_down(tx, part_place(place, upload_id, number), content)


async def complete(
    tx: Tx, place: Place, upload_id: str, said: Sequence[Part], *, check: Check = nothing_asked
) -> Object:
    """The parts that it is not made of are left (drop_some): there may be thousands."""
    upload = await need(tx, place, upload_id)
    there = {number_of(one): one for one in await parts(tx, place, upload_id)}
    segments = _segments(place, said, there)
    digest = hashlib.md5(b"".join(bytes.fromhex(one.etag) for one in said), usedforsecurity=False).hexdigest()
    content = Content(
        size=sum(one.size for one in segments), etag=f"{digest}-{len(said)}", content_type=upload.content_type,
        metadata=upload.metadata, manifest=segments,
    )  # fmt: skip
    home, before = await objects.rows(tx, place)
    if home is None:
        raise containers.absent()
    await tx.delete(UPLOADS, upload)
    placed = await acts.set_down(tx, place, content, check=check)
    if before is not None:
        await drop_parts(tx, home, before.name, before.manifest)
    return placed


def _segments(place: Place, said: Sequence[Part], there: dict[int, Object]) -> tuple[Segment, ...]:
    found = []
    for before, one in zip((None, *said), said, strict=False):
        if before is not None and one.number <= before.number:
            raise Invalid("upload.order", "The list of parts was not in ascending order.")
        part = there.get(one.number)
        if part is None or part.etag != one.etag:
            raise Invalid("upload.part", f"Part {one.number} could not be found, or its ETag is another one.")
        if one is not said[-1] and part.size < PART_BYTES_MIN:
            raise Invalid("upload.small", f"Part {one.number} is smaller than {PART_BYTES_MIN} bytes.")
        found.append(Segment(beside(place.container), part.name, part.etag, part.size))
    return tuple(found)


async def drop_parts(tx: Tx, home: Container, name: str, manifest: tuple[Segment, ...] | None) -> None:
    """Of an object that is gone, unless some version of it is made of them."""
    own = [one for one in manifest or () if one.container == beside(home.name) and not one.data]
    kept = await containers.find(tx, home.project_id, beside(home.name)) if own else None
    if kept is None or await _is_used(tx, home, name, own[0]):
        return
    for start in range(0, len(own), _AT_ONCE):
        await asyncio.sleep(0)
        where = Where().equal("container_id", kept.id).any_of("name", [one.name for one in own[start:][:_AT_ONCE]])
        for part in await tx.select(objects.TABLE, where, order="id"):
            await objects.take_away(tx, kept, part)


async def _is_used(tx: Tx, home: Container, name: str, first: Segment) -> bool:
    """By what is read under the name, or was: whatever is made of an upload's parts names its first."""
    for table in ("objects", "object_versions"):
        where = Where().equal("container_id", home.id).equal("name", name).add("manifest IS NOT NULL")
        where.holding("manifest", first.name)
        if await tx.row(f"SELECT 1 FROM {table}{where.sql} LIMIT 1", *where.values) is not None:
            return True
    return False


def span_of(found: Object, number: str) -> tuple[int, int]:
    """The first byte of a part, and how many there are."""
    segments = found.manifest or ()
    part = whole_number(number)
    if part is None or not 1 <= part <= max(1, len(segments)):
        raise Invalid("range.none", "The requested part number is not satisfiable")
    if not segments:
        return 0, found.size
    return sum(one.length for one in segments[: part - 1]), segments[part - 1].length


async def abort(tx: Tx, place: Place, upload_id: str) -> None:
    upload = await need(tx, place, upload_id)
    await hold(tx, UPLOADS, upload.id)
    await tx.delete(UPLOADS, upload)


async def drop_some(tx: Tx, place: Place, upload_id: str, after: int, *, keeping: Collection[int] = ()) -> int | None:
    """Parts of an upload that is no more, but for those that an object is made of; where to go on, if there may be
    others."""
    home = await containers.find(tx, place.project_id, beside(place.container))
    found = await parts(tx, place, upload_id, after, _AT_ONCE)
    for one in sorted((one for one in found if number_of(one) not in keeping), key=lambda one: one.id):
        if home is not None:
            await objects.take_away(tx, home, one)
    return number_of(found[-1]) if len(found) == _AT_ONCE else None


async def listed(tx: Tx, home: Container, prefix: str, after: tuple[str, str], most: int) -> list[Upload]:
    """By name, then by when they began."""
    where = Where().equal("container_id", home.id)
    if prefix:
        where.beginning("name", prefix)
    name, id = after
    if name:
        where.add("(name > ? OR (name = ? AND id > ?))", name, name, id)
    return await tx.select(UPLOADS, where, order="name, id", limit=most)
