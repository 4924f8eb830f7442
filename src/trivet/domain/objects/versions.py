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


async def place(tx: Tx, home: Container, name: str, content: Content, there: Object | None) -> Object:
    if there is not None and _archive_of(home) is not None:
        await _archive(tx, home, there)
    return await objects.place(tx, home, name, content, there)


async def take_away(tx: Tx, home: Container, there: Object) -> None:
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
            return
    await objects.take_away(tx, home, there)


async def deletes_nothing(tx: Tx, home: Container, name: str) -> bool:
    """Whether deleting what is not there is an act of its own."""
    return False


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
