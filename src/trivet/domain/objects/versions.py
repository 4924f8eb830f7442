"""Versions: what becomes of an object when another takes its name, or when it is deleted.

In most containers: nothing. A container can keep what its objects were in another one (`x-versions-location`, whose
newest comes back when the object is deleted, or `x-history-location`, where it stays with a mark of its deletion), or
keep versions of its own, each with an id (`versioned`).
"""

from trivet.domain.objects import containers, objects
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import EMPTY_ETAG, Content, Object
from trivet.errors import Invalid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

STACK, HISTORY = "x-versions-location", "x-history-location"
_DELETED = "application/x-deleted;swift_versions_deleted=1"


class Version(Record, frozen=True, kw_only=True):
    """What an object was."""

    container_id: str
    name: str
    version_id: str
    marker: bool = False
    """It was deleted then."""
    size: int
    etag: str
    content_type: str
    modified_at: float
    metadata: dict[str, str] = {}
    blob_key: str | None = None
    manifest: tuple[objects.Segment, ...] | None = None


TABLE = Table("object_versions", Version, logged=False)
NULL = "null"
"""The id of what was written while no versions were kept."""


async def place(tx: Tx, home: Container, name: str, content: Content, there: Object | None) -> Object:
    if there is not None and _archive_of(home) is not None:
        await _archive(tx, home, there)
    elif there is not None and _keeps(home, there):
        await keep(tx, home, there)
    elif home.metadata.get(SUSPENDED):
        await _drop_null(tx, home, name)
    return await objects.place(tx, home, name, content, there, version_id=_new_id(tx) if home.versioned else None)


async def take_away(tx: Tx, home: Container, there: Object) -> str | None:
    """The id of the mark that is left, if one is."""
    if _archive_of(home) is None and (home.versioned or home.metadata.get(SUSPENDED)):
        return (await mark_deleted(tx, home, there.name, there)).version_id
    archive = _archive_of(home)
    if archive is not None and HISTORY in home.metadata:
        await _archive(tx, home, there)
        await _mark_deleted(tx, home, there.name)
    elif archive is not None:
        kept = await containers.find(tx, home.project_id, archive)
        newest = await _newest(tx, kept, there.name) if kept is not None else None
        if kept is not None and newest is not None:
            await objects.place(tx, home, there.name, newest.content(), there)
            await objects.take_away(tx, kept, newest)
            return None
    await objects.take_away(tx, home, there)
    return None


async def delete_nothing(tx: Tx, home: Container, name: str) -> str | None:
    """Deleting what is not there is an act of its own where versions are kept: the id of the mark that it leaves."""
    if _archive_of(home) is not None or not home.versioned:
        return None
    return (await mark_deleted(tx, home, name, None)).version_id


# -- versions with ids


SUSPENDED = "x-versions-suspended"
"""Said of a container that kept versions once: those stay, and nothing is added to them."""


def _new_id(tx: Tx) -> str:
    """Later ones sort behind earlier ones."""
    return f"{int(tx.clock.now() * 1e6):016x}{tx.ids.hex()[:16]}"


def _keeps(home: Container, there: Object) -> bool:
    """What was kept once is kept on, whatever is said of the container later."""
    return home.versioned or there.version_id is not None


async def keep(tx: Tx, home: Container, there: Object) -> None:
    """As a version, beside what is about to take its place or has taken it away. Its bytes are counted on."""
    if there.version_id is None or home.metadata.get(SUSPENDED):
        await _drop_null(tx, home, there.name)
    said = {field: getattr(there, field) for field in _SHARED}
    kept = Version(
        id=tx.ids.hex(), container_id=home.id, name=there.name, version_id=there.version_id or NULL,
        modified_at=there.modified_at, **said,
    )  # fmt: skip
    await tx.insert(TABLE, kept)
    containers.count(tx, home, 0, objects.weight(there))


_SHARED = ("size", "etag", "content_type", "metadata", "blob_key", "manifest")


async def _drop_null(tx: Tx, home: Container, name: str) -> None:
    found = await find(tx, home, name, NULL)
    if found is not None:
        await forget(tx, home, found)


async def forget(tx: Tx, home: Container, gone: Version) -> None:
    await tx.delete(TABLE, gone)
    if gone.blob_key is not None:
        await objects.discard(tx, gone.blob_key)
    containers.count(tx, home, 0, -weight(gone))


def weight(version: Version) -> int:
    content = Content(
        size=version.size, etag=version.etag, content_type=version.content_type, manifest=version.manifest
    )
    return objects.weight(content)


async def mark_deleted(tx: Tx, home: Container, name: str, there: Object | None) -> Version:
    """There is nothing any more, and what was is kept."""
    if there is not None and _keeps(home, there):
        await keep(tx, home, there)
    if not home.versioned:
        await _drop_null(tx, home, name)
    marker = Version(
        id=tx.ids.hex(), container_id=home.id, name=name, version_id=_new_id(tx) if home.versioned else NULL,
        marker=True, size=0, etag=EMPTY_ETAG, content_type=_DELETED, modified_at=tx.clock.now(),
    )  # fmt: skip
    await tx.insert(TABLE, marker)
    if there is not None:
        await objects.take_away(tx, home, there)
    return marker


async def find(tx: Tx, home: Container, name: str, version_id: str) -> Version | None:
    return await tx.find(TABLE, "container_id = ? AND name = ? AND version_id = ?", home.id, name, version_id)


async def newest_of(tx: Tx, home: Container, name: str) -> Version | None:
    where = Where().equal("container_id", home.id).equal("name", name)
    found = await tx.select(TABLE, where, order="modified_at DESC, version_id DESC", limit=1)
    return found[0] if found else None


async def remove(tx: Tx, home: Container, name: str, version_id: str) -> Version | Object | None:
    """For good. If it was what is read under the name, what was there before it is so again."""
    there = await objects.find(tx, home, name)
    if there is not None and (there.version_id or NULL) == version_id:
        before = await newest_of(tx, home, name)
        if before is None or before.marker:
            await objects.take_away(tx, home, there)
        else:
            await restore(tx, home, before, there)
        return there
    found = await find(tx, home, name, version_id)
    if found is None:
        return None
    await forget(tx, home, found)
    if found.marker and there is None:
        before = await newest_of(tx, home, name)
        if before is not None and not before.marker:
            await restore(tx, home, before, None)
    return found


async def restore(tx: Tx, home: Container, before: Version, there: Object | None) -> Object:
    """What it was is what is read."""
    said = {field: getattr(before, field) for field in _SHARED}
    id = None if before.version_id == NULL else before.version_id
    placed = await objects.place(tx, home, before.name, Content(**said), there, version_id=id)
    placed = await tx.update(objects.TABLE, placed, modified_at=before.modified_at)
    await tx.delete(TABLE, before)
    containers.count(tx, home, 0, -weight(before))
    return placed


def _archive_of(home: Container) -> str | None:
    return home.metadata.get(STACK) or home.metadata.get(HISTORY)


async def _archive(tx: Tx, home: Container, there: Object) -> None:
    kept = await containers.find(tx, home.project_id, _archive_of(home) or "")
    if kept is None:
        raise Invalid("versions.location", "The container of the versions does not exist.", status=412)
    name = f"{_start(there.name)}{there.modified_at:.5f}"
    await objects.place(tx, kept, name, there.content(), await objects.find(tx, kept, name))


async def _mark_deleted(tx: Tx, home: Container, name: str) -> None:
    kept = await containers.need(tx, home.project_id, _archive_of(home) or "")
    content = Content(size=0, etag=EMPTY_ETAG, content_type=_DELETED)
    marked = f"{_start(name)}{tx.clock.now():.5f}"
    await objects.place(tx, kept, marked, content, await objects.find(tx, kept, marked))


async def _newest(tx: Tx, kept: Container, name: str) -> Object | None:
    start = _start(name)
    where = Where().equal("container_id", kept.id).add("name >= ?", start).add("name < ?", f"{start[:-1]}0")
    found = await tx.select(objects.TABLE, where, order="name DESC", limit=1)
    return found[0] if found else None


def _start(name: str) -> str:
    """Of the names of what an object was: the length keeps those of one name together."""
    return f"{len(name.encode()):03x}{name}/"
