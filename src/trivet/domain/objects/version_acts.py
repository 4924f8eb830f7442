"""Acts on versions by their ids, as Swift has them: one is read, is deleted for good, or becomes what is read.

Unlike in S3, what was there before does not come back by itself when what is read is deleted so.
"""

from trivet.domain.objects import containers, multipart, objects, versions
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Object, Place
from trivet.domain.objects.versions import NULL, Version
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx


async def chosen(tx: Tx, home: Container, name: str, there: Object | None, version_id: str) -> Object | Version:
    """An object, or the mark of a deletion."""
    _need_versions(home, version_id)
    if there is not None and (there.version_id or NULL) == version_id:
        return there
    kept = await versions.find(tx, home, name, version_id)
    if kept is None:
        raise _absent()
    return kept if kept.marker else as_object(kept)


def as_object(kept: Version) -> Object:
    said = {name: getattr(kept, name) for name in Object.__struct_fields__ if hasattr(kept, name)}
    return Object(**said)


async def delete(tx: Tx, place: Place, version_id: str) -> str | None:
    """For good. The id of what is read under the name from now on."""
    home, there = await objects.find_both(tx, place)
    if home is None:
        raise objects.absent()
    _need_versions(home, version_id)
    if there is not None and (there.version_id or NULL) == version_id:
        await objects.take_away(tx, home, there)
        await multipart.drop_parts(tx, home, place.name, there.manifest)
        return None
    kept = await versions.find(tx, home, place.name, version_id)
    if kept is None:
        raise _absent()
    await versions.forget(tx, home, kept)
    await multipart.drop_parts(tx, home, place.name, kept.manifest)
    return (there.version_id or NULL) if there is not None else None


async def make_current(tx: Tx, place: Place, version_id: str) -> Object:
    """What is read so far becomes a version; no bytes move."""
    home, there = await objects.rows(tx, place)
    if home is None:
        raise containers.absent()
    _need_versions(home, version_id)
    expired = there is not None and objects.expired(there, tx.clock.now())
    if there is not None and not expired and (there.version_id or NULL) == version_id:
        return there
    kept = await versions.find(tx, home, place.name, version_id)
    if kept is None or kept.marker:
        raise _absent()
    if there is not None and not expired:
        await versions.keep(tx, home, there)
    return await versions.restore(tx, home, kept, there)


def _need_versions(home: Container, version_id: str) -> None:
    if version_id != NULL and not home.versioned and not home.metadata.get(versions.SUSPENDED):
        raise Invalid("version.none", "version-aware operations require that the container is versioned")


def _absent() -> NotFound:
    return NotFound("version.absent", "The version does not exist.")
