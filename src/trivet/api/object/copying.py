"""Copies: by COPY from here to a Destination, or by PUT from where X-Copy-From says.

A copy points at the blob of what it was copied from. Only what is not one blob (a span, a large object) is read and
written anew.
"""

from urllib.parse import unquote

import msgspec

from trivet.api.kit.request import Reply, Request
from trivet.api.object import conditions, door, incoming, large_objects, links, wire
from trivet.domain.objects import acts, containers, content, names, objects
from trivet.domain.objects.access import Right
from trivet.domain.objects.objects import Content, Object, Place
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

_TRUE = ("1", "true", "yes", "on", "t", "y")


async def to_other(request: Request) -> Reply:
    source = wire.place(request)
    said = request.said("destination")
    if said is None:
        async with request.parts.store.read() as tx:
            home, _ = await objects.find_both(tx, source)
            await door.check_object(tx, request, source, home, Right.WRITE)
        raise Invalid("copy.destination", "Destination header required", status=412)
    account = unquote(request.said("destination-account") or f"AUTH_{source.project_id}")
    target = wire.named(account, *wire.object_path(unquote(said), "Destination header"))
    return await _copy(request, source, target)


async def from_other(request: Request) -> Reply:
    target = wire.place(request)
    if request.header("content-length") not in (None, "0"):
        raise Invalid("copy.body", "Copy requests require a zero byte body")
    account = unquote(request.said("x-copy-from-account") or f"AUTH_{target.project_id}")
    said = unquote(request.said("x-copy-from") or "")
    source = wire.named(account, *wire.object_path(said, "X-Copy-From header"))
    return await _copy(request, source, target)


async def _copy(request: Request, source: Place, target: Place) -> Reply:
    names.check_object(target.name)
    named, said = source, incoming.metadata_of(request)
    async with request.parts.store.read() as tx:
        home, found = await objects.find_both(tx, source)
        await door.check_object(tx, request, source, home, Right.READ)
        target_home, there = await objects.find_both(tx, target)
        await door.check_object(tx, request, target, target_home, Right.WRITE)
        if home is None or found is None or target_home is None:
            raise objects.absent()
        if found.size == 0 and found.metadata:
            source, home, found = await links.followed(tx, request, source, home, found)
            found = await large_objects.gathered(tx, request, source, found)
        if found.manifest is not None and not _as_it_is(request, found):
            await large_objects.check_segments(tx, request, source, found)
    if conditions.check(request, found) and request.method == "COPY":
        raise Invalid("object.precondition", "A precondition for this request was not met.", status=412)
    wanted = _wanted(request, found, said)
    spans = conditions.spans(request, found) if b"range" in request.headers else None
    if _as_it_is(request, found) and spans is None:
        placed = await _share(request, source, target, found, wanted)
    else:
        first, last = spans[0] if spans else (0, found.size - 1)
        length = last - first + 1
        if length > names.SIZE_MAX:
            raise Invalid("object.too_large", "Your request is too large.", status=413)
        chunks = content.whole(request.parts, source.project_id, found, first, length)
        placed = await acts.put(request.parts, target, (target_home, there), chunks, wanted, length=length)
    headers = [
        (b"etag", placed.etag.encode()),
        (b"last-modified", wire.http_date(placed.modified_at)),
        (b"x-copied-from", wire.url_quoted(f"{named.container}/{named.name}").encode()),
        (b"x-copied-from-account", f"AUTH_{named.project_id}".encode()),
        (b"x-copied-from-last-modified", wire.http_date(found.modified_at)),
        *wire.encoded(placed.metadata),
    ]
    return wire.done(201, headers)


def _as_it_is(request: Request, found: Object) -> bool:
    """Its row is copied, and not its bytes."""
    return found.manifest is None or request.asked("multipart-manifest") == "get"


async def _share(request: Request, source: Place, target: Place, found: Object, wanted: Content) -> Object:
    """Both point at one blob. The source is held, so that the blob is no garbage before the copy is there."""

    async def act(tx: Tx) -> Object:
        home = await containers.need(tx, source.project_id, source.container)
        held = await objects.held(tx, home, source.name)
        content = msgspec.structs.replace(
            wanted, size=held.size, etag=held.etag, blob_key=held.blob_key, manifest=held.manifest
        )
        return await acts.set_down(tx, target, content)

    return await transact(request.parts.store, act)


def _wanted(request: Request, found: Object, said: dict[str, str]) -> Content:
    """What was said of the source, and over it what the request says; only that, if it asks for a fresh start."""
    fresh = (request.said("x-fresh-metadata") or "").lower() in _TRUE
    kept = {} if fresh else dict(found.metadata)
    if found.manifest is not None and request.asked("multipart-manifest") != "get":
        kept.pop(objects.MANIFEST, None)
    at = incoming.delete_at_of(request)
    return Content(
        size=found.size, etag=found.etag, metadata=kept | said,
        content_type=incoming.content_type(request.said("content-type") or found.content_type),
        delete_at=at if at is not None or fresh else found.delete_at,
    )  # fmt: skip
