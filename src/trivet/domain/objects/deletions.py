"""Deleting as S3 does: what is not there is deleted already, versions stay where they are kept, and parts go along."""

import msgspec

from trivet.domain.objects import acts, containers, multipart, objects, versions
from trivet.domain.objects.acts import Check, nothing_asked
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Place
from trivet.domain.objects.versions import NULL, Version
from trivet.errors import Conflict
from trivet.store.tx import Tx
from trivet.store.where import Where

_AT_ONCE = 100


class Gone(msgspec.Struct, frozen=True):
    """What became of it."""

    version_id: str | None = None
    """That was deleted for good."""
    marker_id: str | None = None
    """Of the mark that was left, or taken away."""


async def delete(tx: Tx, place: Place, version_id: str | None, *, check: Check = nothing_asked) -> Gone:
    home, there = await objects.find_both(tx, place)
    if home is None:
        raise containers.absent()
    check(there)
    if version_id is not None:
        gone = await versions.remove(tx, home, place.name, version_id)
        if gone is None:
            return Gone(version_id=version_id)
        await multipart.drop_parts(tx, home, place.name, gone.manifest)
        marked = isinstance(gone, Version) and gone.marker
        return Gone(version_id=version_id, marker_id=version_id if marked else None)
    if home.versioned or home.metadata.get(versions.SUSPENDED):
        marker = await versions.mark_deleted(tx, home, place.name, there)
        return Gone(marker_id=marker.version_id if marker.version_id != NULL else NULL)
    if there is not None:
        await acts.take_away(tx, place)
        await multipart.drop_parts(tx, home, place.name, there.manifest)
    return Gone()


async def refuse_full(tx: Tx, home: Container) -> None:
    """What was is kept in it as well as what is."""
    for table in ("objects", "object_versions"):
        if await tx.row(f"SELECT 1 FROM {table} WHERE container_id = ? LIMIT 1", home.id) is not None:
            raise Conflict("container.full", "The bucket you tried to delete is not empty")


async def clear_beside(tx: Tx, place: Place) -> bool:
    """What uploads in parts have left beside an empty container, some at a time; whether there is more."""
    home = await containers.find(tx, place.project_id, multipart.beside(place.container))
    if home is None:
        return False
    found = await tx.select(objects.TABLE, Where().equal("container_id", home.id), order="id", limit=_AT_ONCE)
    for one in found:
        await objects.take_away(tx, home, one)
    if len(found) == _AT_ONCE:
        return True
    await containers.delete(tx, home)
    return False
