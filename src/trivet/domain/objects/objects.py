"""Objects: a name in a container, what is said of it, and the blob that holds its bytes.

Rows are the truth. A blob is written first and pointed at afterwards, so that what can be found is whole; one that no
row points at any more is garbage, which goes a while later (garbage.py). Copies point at one blob.
"""

import msgspec

from trivet.domain.objects import containers
from trivet.domain.objects.containers import Container
from trivet.domain.row_locks import hold
from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

META = "x-object-meta-"
MANIFEST = "x-object-manifest"
LINK, LINK_ACCOUNT = "x-symlink-target", "x-symlink-target-account"
_SEGMENT_BYTES = 100
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"


class Place(msgspec.Struct, frozen=True):
    """What a path names: a project's account, a container in it, an object in that."""

    project_id: str
    container: str = ""
    name: str = ""


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a large object: another object, as it was, or a range of it."""

    container: str
    name: str
    etag: str
    size: int
    content_type: str = ""
    range: tuple[int, int] | None = None
    """First and last byte."""
    nested: bool = False
    """It is a large object itself."""
    data: str = ""
    """Bytes that stand in the manifest, in base64."""

    @property
    def length(self) -> int:
        return self.size if self.range is None else self.range[1] - self.range[0] + 1


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What an object is, wherever it is and whatever it is called."""

    size: int
    etag: str
    """MD5 of the bytes; of a large object, of its segments' etags."""
    content_type: str
    metadata: dict[str, str] = {}
    """Headers: x-object-meta-*, and the few others that are kept."""
    blob_key: str | None = None
    """None: it is empty, or its bytes are its segments'."""
    manifest: tuple[Segment, ...] | None = None
    delete_at: float | None = None


class Object(Record, frozen=True, kw_only=True):
    container_id: str
    name: str
    size: int
    etag: str
    content_type: str
    modified_at: float
    metadata: dict[str, str] = {}
    blob_key: str | None = None
    manifest: tuple[Segment, ...] | None = None
    delete_at: float | None = None
    version_id: str | None = None

    def content(self) -> Content:
        return Content(
            size=self.size, etag=self.etag, content_type=self.content_type, metadata=self.metadata,
            blob_key=self.blob_key, manifest=self.manifest, delete_at=self.delete_at,
        )  # fmt: skip


TABLE = Table("objects", Object, logged=False)


class Listed(msgspec.Struct, frozen=True):
    """What lists tell of an object. Its manifest and its headers may be megabytes, and a list is of thousands."""

    name: str
    size: int
    etag: str
    content_type: str
    modified_at: float
    is_large: bool
    target: tuple[str, str] | None
    """Of a link: the account, if it is another one, and where in it."""


_SQL_LISTED = (
    "SELECT name, size, etag, content_type, modified_at, CASE WHEN manifest IS NULL THEN 0 ELSE 1 END,"
    f""" CASE WHEN size = 0 AND metadata LIKE '%"{LINK}":%' THEN metadata END FROM objects"""
)

_SQL_BOTH = (
    f"SELECT {', '.join(f'c.{column}' for column in containers.TABLE.columns)},"
    f" {', '.join(f'o.{column}' for column in TABLE.columns)}"
    " FROM object_containers c LEFT JOIN objects o ON o.container_id = c.id AND o.name = ?"
    " WHERE c.project_id = ? AND c.name = ?"
)
_CONTAINER_WIDTH = len(containers.TABLE.columns)


async def find_both(tx: Tx, place: Place) -> tuple[Container | None, Object | None]:
    """What has expired is not there, though its row may be."""
    home, found = await rows(tx, place)
    return home, None if found is not None and expired(found, tx.clock.now()) else found


async def rows(tx: Tx, place: Place) -> tuple[Container | None, Object | None]:
    """In one question."""
    row = await tx.row(_SQL_BOTH, place.name, place.project_id, place.container)
    if row is None:
        return None, None
    values = tuple(row)
    home = containers.TABLE.from_row(values[:_CONTAINER_WIDTH])
    if values[_CONTAINER_WIDTH] is None:
        return home, None
    return home, TABLE.from_row(values[_CONTAINER_WIDTH:])


async def listed(tx: Tx, where: Where, order: str, limit: int) -> list[Listed]:
    rows = await tx.rows(f"{_SQL_LISTED}{where.sql} ORDER BY {order} LIMIT {int(limit)}", *where.values)
    return [
        Listed(name, size, etag, content_type, modified_at, bool(is_large), _target(metadata))
        for name, size, etag, content_type, modified_at, is_large, metadata in rows
    ]


def _target(metadata: str | None) -> tuple[str, str] | None:
    said = msgspec.json.decode(metadata, type=dict[str, str]) if metadata is not None else {}
    return (said.get(LINK_ACCOUNT, ""), said[LINK]) if LINK in said else None


async def listed_as(tx: Tx, container: Container, name: str) -> Listed | None:
    where = Where().equal("container_id", container.id).equal("name", name)
    found = await listed(tx, where.add("(delete_at IS NULL OR delete_at > ?)", tx.clock.now()), "name", 1)
    return found[0] if found else None


def expired(found: Object, now: float) -> bool:
    return found.delete_at is not None and found.delete_at <= now


async def find(tx: Tx, container: Container, name: str) -> Object | None:
    """The row, whether it has expired or not."""
    return await tx.find(TABLE, "container_id = ? AND name = ?", container.id, name)


def absent() -> NotFound:
    return NotFound("object.absent", "The resource could not be found.")


def weight(content: Content | Object) -> int:
    """What is counted: of a large object its manifest, since the bytes are its segments'."""
    if content.manifest is None:
        return content.size
    return sum(
        _SEGMENT_BYTES + len(one.container) + len(one.name) + len(one.data) + len(one.content_type)
        for one in content.manifest
    )


async def place(
    tx: Tx, container: Container, name: str, content: Content, before: Object | None, *, version_id: str | None = None
) -> Object:
    """Whatever was there gives way to it. Versions are kept by who calls (versions.py)."""
    more = weight(content) - (weight(before) if before is not None else 0)
    containers.check_quota(container, int(before is None), more)
    said = {field: getattr(content, field) for field in content.__struct_fields__}
    said |= {"modified_at": tx.clock.now(), "version_id": version_id}
    if before is None:
        placed = Object(id=tx.ids.hex(), container_id=container.id, name=name, **said)
        await tx.insert(TABLE, placed)
        containers.count(tx, container, 1, more)
        return placed
    placed = await tx.update(TABLE, before, **said)
    if before.blob_key is not None and before.blob_key != content.blob_key:
        await discard(tx, before.blob_key)
    containers.count(tx, container, 0, more)
    return placed


async def take_away(tx: Tx, container: Container, found: Object) -> None:
    await tx.delete(TABLE, found)
    if found.blob_key is not None:
        await discard(tx, found.blob_key)
    containers.count(tx, container, -1, -weight(found))


async def discard(tx: Tx, blob_key: str) -> None:
    """A row has just stopped pointing at it."""
    await tx.run(
        "INSERT INTO object_garbage (id, blob_key, at) VALUES (?, ?, ?)", tx.ids.hex(), blob_key, tx.clock.now()
    )


async def held(tx: Tx, container: Container, name: str) -> Object:
    """It stays as it is until the commit."""
    found = await find(tx, container, name)
    if found is None or expired(found, tx.clock.now()):
        raise absent()
    await hold(tx, TABLE, found.id)
    if (again := await tx.get(TABLE, found.id)) is None:
        raise absent()
    return again
