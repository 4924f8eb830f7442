"""An object, taken in, described anew, or deleted."""

from trivet.api.kit.request import Reply, Request
from trivet.api.object import bulk, conditions, cors, door, incoming, large_objects, links, wire
from trivet.domain.objects import acts, containers, names, objects
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Content, Object, Place


async def put(request: Request) -> Reply:
    place = wire.place(request)
    home, there = await admitted(request, place)
    length = incoming.length_of(request)
    names.check_object(place.name)
    wanted = incoming.wanted_of(request, place)
    if request.asked("multipart-manifest") == "put":
        return await large_objects.put(request, place, home, wanted)
    if links.TARGET in wanted.metadata:
        await links.check(request, place, wanted, length)
    placed = await acts.put(
        request.parts, place, (home, there), incoming.body(request), wanted,
        etag=incoming.etag_of(request), check=lambda there: conditions.check_put(request, there), length=length,
    )  # fmt: skip
    return _put(request, home, placed)


def _put(request: Request, home: Container, placed: Object) -> Reply:
    headers = [
        (b"etag", placed.etag.encode()),
        (b"last-modified", wire.http_date(placed.modified_at)),
    ]
    if placed.version_id is not None:
        headers.append((b"x-object-version-id", placed.version_id.encode()))
    return wire.done(201, headers + cors.headers(request, home, headers))


async def admitted(request: Request, place: Place) -> tuple[Container, Object | None]:
    async with request.parts.store.read() as tx:
        home, there = await objects.find_both(tx, place)
        await door.check_object(tx, request, place, home, Right.WRITE)
        if home is None:
            raise containers.absent()
        return home, there


async def describe(request: Request) -> Reply:
    place = wire.place(request)
    home, _ = await admitted(request, place)
    metadata, delete_at = incoming.metadata_of(request), incoming.delete_at_of(request)
    said = request.said("content-type")
    content_type = incoming.content_type(said) if said else None

    def change(found: Object) -> Content:
        kept = {name: value for name, value in found.metadata.items() if name in links.HEADERS}
        return Content(
            size=found.size, etag=found.etag, content_type=content_type or found.content_type,
            metadata=kept | metadata, delete_at=delete_at,
        )  # fmt: skip

    await acts.describe(request.parts, place, change)
    return wire.done(202, cors.headers(request, home, []))


async def delete(request: Request) -> Reply:
    place = wire.place(request)
    home, there = await admitted(request, place)
    if request.asked("multipart-manifest") == "delete" and there is not None and there.manifest is not None:
        return await bulk.delete_large(request, place, there)

    def check(found: Object | None) -> None:
        if found is not None and (b"if-match" in request.headers or b"if-unmodified-since" in request.headers):
            conditions.check_put(request, found)

    marked = await acts.delete(request.parts, place, check=check)
    headers = [(b"x-object-version-id", marked.encode())] if marked is not None else []
    return wire.done(204, headers + cors.headers(request, home, headers))
