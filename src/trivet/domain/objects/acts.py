"""Acts on objects: what every dialect does with them, each one transaction beside the bytes."""

from collections.abc import AsyncIterator, Callable

from trivet.domain.objects import containers, names, objects, uploads, versions
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Content, Object, Place
from trivet.domain.objects.uploads import Received
from trivet.domain.row_locks import hold
from trivet.errors import Invalid
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

Seen = tuple[Container, Object | None]
"""A container, and what is at a place in it, as they were a moment ago (objects.find_both)."""

_EXPIRED_AT_ONCE = 500

Check = Callable[[Object | None], None]
"""Refuses, if what is there is not what the client thinks."""


def nothing_asked(there: Object | None) -> None:
    """Whatever is there."""


async def put(
    parts: Parts,
    place: Place,
    seen: Seen,
    chunks: AsyncIterator[bytes],
    wanted: Content,
    *,
    etag: str | None = None,
    check: Check = nothing_asked,
    length: int | None = None,
) -> Object:
    """`wanted` without the bytes: size, etag and blob are found on the way. `etag`, if the client says it, must be
    theirs; `length`, if he says it, is asked of the limits before the first byte."""
    home, there = seen
    check(there)
    if length is not None and length > uploads.SMALL_BYTES:
        if length > names.SIZE_MAX:
            raise uploads.too_large()
        async with parts.store.read() as tx:
            more = length - (objects.weight(there) if there is not None else 0)
            await containers.foresee(tx, home, int(there is None), more)
    spare = objects.weight(there) if there is not None else 0
    received = await uploads.receive(parts, uploads.Room(place.project_id, spare=spare), chunks)
    if length is not None and received.size != length:
        await uploads.drop(parts, received)
        raise Invalid("body.cut", "The client went away before the body was complete.", status=499)
    if etag is not None and etag != received.etag:
        await uploads.drop(parts, received)
        raise Invalid("object.etag", "Unable to process the contained instructions", status=422)
    return await store(parts, place, received, wanted, check=check)


async def store(
    parts: Parts, place: Place, received: Received, wanted: Content, *, check: Check = nothing_asked
) -> Object:
    """Bytes that are in a blob get their name."""

    async def act(tx: Tx) -> Object:
        content = Content(
            size=received.size, etag=received.etag, blob_key=received.key, content_type=wanted.content_type,
            metadata=wanted.metadata, delete_at=wanted.delete_at,
        )  # fmt: skip
        return await set_down(tx, place, content, check=check)

    return await uploads.settle(parts, received, act)


async def set_down(tx: Tx, place: Place, content: Content, *, check: Check = nothing_asked) -> Object:
    """In a transaction: the content gets its name, and what had it before becomes a version, or garbage."""
    home, there = await objects.rows(tx, place)
    if home is None:
        raise containers.absent()
    check(None if there is not None and objects.expired(there, tx.clock.now()) else there)
    return await versions.place(tx, home, place.name, content, there)


async def need(tx: Tx, place: Place) -> tuple[Container, Object]:
    home, found = await objects.find_both(tx, place)
    if home is None or found is None:
        raise objects.absent()
    return home, found


async def hold_source(tx: Tx, place: Place, found: Object) -> None:
    """What a copy is made of stays until the commit: the object, or the version that it has become."""
    home, there = await objects.find_both(tx, place)
    if home is not None and there is not None and there.blob_key == found.blob_key:
        await hold(tx, objects.TABLE, there.id)
        return
    kept = await versions.find(tx, home, place.name, found.version_id or versions.NULL) if home is not None else None
    if kept is None or kept.blob_key != found.blob_key:
        raise objects.absent()
    await hold(tx, versions.TABLE, kept.id)


async def delete(parts: Parts, place: Place, *, check: Check = nothing_asked) -> str | None:
    return await transact(parts.store, lambda tx: take_away(tx, place, check=check))


async def take_away(tx: Tx, place: Place, *, check: Check = nothing_asked) -> str | None:
    """The id of the mark that is left where versions are kept."""
    home, found = await objects.find_both(tx, place)
    if home is None:
        raise objects.absent()
    if found is None:
        marked = await versions.delete_nothing(tx, home, place.name)
        if marked is None:
            raise objects.absent()
        return marked
    check(found)
    return await versions.take_away(tx, home, found)


async def describe(parts: Parts, place: Place, change: Callable[[Object], Content]) -> Object:
    """What is said of it changes, and its bytes stay."""

    async def act(tx: Tx) -> Object:
        _, found = await need(tx, place)
        content = change(found)
        return await tx.update(
            objects.TABLE, found, content_type=content.content_type, metadata=content.metadata,
            delete_at=content.delete_at, modified_at=tx.clock.now(),
        )  # fmt: skip

    return await transact(parts.store, act)


async def delete_container(tx: Tx, place: Place) -> None:
    """What has expired in it keeps nobody from deleting it."""
    home = await containers.need(tx, place.project_id, place.container)
    await expire(tx, Where().equal("container_id", home.id))
    await containers.delete(tx, home)


async def expire(tx: Tx, where: Where) -> int:
    """Some of those whose time has come; how many."""
    gone = where.add("delete_at IS NOT NULL AND delete_at <= ?", tx.clock.now())
    found = await tx.select(objects.TABLE, gone, order="delete_at", limit=_EXPIRED_AT_ONCE)
    for one in sorted(found, key=lambda one: one.id):
        home = await tx.get(containers.TABLE, one.container_id)
        if home is not None:
            await objects.take_away(tx, home, one)
    return len(found)
