"""/{bucket}/{object}: put, given, copied, described and deleted; and the parts that it may come in."""

import msgspec

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.object import conditions
from trivet.api.s3 import buckets, documents, door, headers, multipart, payload, sources
from trivet.api.s3.door import Entered
from trivet.domain.objects import acts, containers, content, deletions, objects, uploads
from trivet.domain.objects import multipart as parts
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.names import SIZE_MAX
from trivet.domain.objects.objects import Content, Object, Place
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()
_PATH = "/{bucket}/{object:path}"
_SETTINGS = ("legal-hold", "retention", "torrent", "attributes", "select", "restore")
_CONDITIONS = frozenset((b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"))


async def _enter(request: Request) -> Entered:
    entered = await door.enter(request)
    if request.asked("uploadId") is None and any(request.asked(word) is not None for word in _SETTINGS):
        raise buckets.not_offered()
    return entered


# -- giving


@resource.on("HEAD", _PATH, may="shared", tx="none", stream=True)
@resource.on("GET", _PATH, may="shared", tx="none", stream=True)
async def get(request: Request) -> Reply:
    entered = await _enter(request)
    if request.asked("uploadId") is not None:
        return await multipart.list_parts(request, entered)
    home, found = await sources.found(request, entered, entered.place, request.asked("versionId"))
    if request.asked("acl") is not None:
        return buckets.acl(entered)
    if request.asked("tagging") is not None:
        return documents.reply("Tagging", [("TagSet", "")])
    said = headers.of_object(request, home, found)
    if not _CONDITIONS.isdisjoint(request.headers) and conditions.check(request, found):
        return Reply(304, b"", said, content_type=found.content_type)
    first, length, status = _span(request, found)
    if status == 206:
        said.append((b"content-range", f"bytes {first}-{first + length - 1}/{found.size}".encode()))
    kind = headers.override(request, "content-type") or found.content_type
    if request.method == "HEAD":
        said.append((b"content-length", str(length).encode()))
        return Reply(status, b"", said, content_type=kind)
    body = await content.of(request.parts, entered.place.project_id, found, first, length)
    if not isinstance(body, bytes):
        said.append((b"content-length", str(length).encode()))
    return Reply(status, body, said, content_type=kind)


def _span(request: Request, found: Object) -> tuple[int, int, int]:
    """First byte, how many, and the status: several spans at once S3 has not, and gives all."""
    number = request.asked("partNumber")
    if number is not None:
        first, length = parts.span_of(found, number)
        return first, length, 206
    spans = conditions.spans(request, found) if b"range" in request.headers else None
    if spans is None or len(spans) > 1:
        return 0, found.size, 200
    if not spans:
        raise Invalid("range.none", "The requested range is not satisfiable")
    return spans[0][0], spans[0][1] - spans[0][0] + 1, 206


# -- putting


@resource.on("PUT", _PATH, may="shared", tx="none", stream=True)
async def put(request: Request) -> Reply:
    entered = await _enter(request)
    if request.asked("acl") is not None:
        return await buckets.private(request, entered)
    if request.asked("tagging") is not None:
        raise buckets.not_offered()
    if request.asked("uploadId") is not None:
        return await multipart.put_part(request, entered)
    buckets.check_private(request)
    if b"x-amz-copy-source" in request.headers:
        return await _copy(request, entered)
    wanted = headers.wanted(request)
    seen = await _writable(request, entered)
    length = payload.length_of(request, entered.signature)
    await request_room(request, entered, length)
    received = await uploads.receive(
        request.parts, uploads.Room(entered.place.project_id), payload.of(request, entered.signature)
    )
    if length is not None and received.size != length:
        await uploads.drop(request.parts, received)
        raise Invalid("s3.chunk", "You did not provide the number of bytes that you said.")
    content = msgspec.structs.replace(wanted, size=received.size, etag=received.etag, blob_key=received.key)
    placed = await uploads.settle(request.parts, received, lambda tx: _set_down(tx, request, entered.place, content))
    return Reply(200, b"", headers.of_put(seen, placed))


async def _writable(request: Request, entered: Entered) -> Container:
    async with request.parts.store.read() as tx:
        return await door.bucket(tx, entered, Right.WRITE)


async def request_room(request: Request, entered: Entered, length: int | None) -> None:
    """Refused before the first byte, what would be refused after the last."""
    if length is None or length <= uploads.SMALL_BYTES:
        return
    if length > SIZE_MAX:
        raise uploads.too_large()
    async with request.parts.store.read() as tx:
        home, there = await objects.find_both(tx, entered.place)
        if home is not None:
            more = length - (objects.weight(there) if there is not None else 0)
            await containers.foresee(tx, home, int(there is None), more)


async def _set_down(tx: Tx, request: Request, place: Place, said: Content) -> Object:
    home, before = await objects.rows(tx, place)
    placed = await acts.set_down(tx, place, said, check=lambda there: conditions.check_put(request, there))
    if home is not None and before is not None:
        await parts.drop_parts(tx, home, place.name, before.manifest)
    return placed


async def _copy(request: Request, entered: Entered) -> Reply:
    source, found = await sources.of_copy(request, entered)
    replaces = (request.header("x-amz-metadata-directive") or "COPY").upper() == "REPLACE"
    if source == entered.place and not replaces:
        raise Invalid("copy.itself", "This copy request is illegal because it changes nothing of the object.")
    if found.size > SIZE_MAX:
        raise uploads.too_large()
    home = await _writable(request, entered)
    said = headers.wanted(request)
    kept = said if replaces else Content(
        size=0, etag="", content_type=found.content_type, metadata=found.metadata, delete_at=found.delete_at
    )  # fmt: skip
    if found.manifest is None:
        placed = await _share(request, source, entered.place, found, kept)
    else:
        chunks = content.whole(request.parts, source.project_id, found, 0, found.size)
        received = await uploads.receive(request.parts, uploads.Room(entered.place.project_id), chunks)
        copied = msgspec.structs.replace(kept, size=received.size, etag=received.etag, blob_key=received.key)
        placed = await uploads.settle(request.parts, received, lambda tx: _set_down(tx, request, entered.place, copied))
    told = [("LastModified", documents.moment(placed.modified_at)), ("ETag", f'"{placed.etag}"')]
    return documents.reply("CopyObjectResult", told, 200, headers.of_copy(home, placed, found))


async def _share(request: Request, source: Place, target: Place, found: Object, kept: Content) -> Object:
    """Both point at one blob. What points at it is held, so that it is no garbage before the copy is there."""

    async def act(tx: Tx) -> Object:
        await acts.hold_source(tx, source, found)
        copied = msgspec.structs.replace(kept, size=found.size, etag=found.etag, blob_key=found.blob_key)
        return await _set_down(tx, request, target, copied)

    return await transact(request.parts.store, act)


# -- deleting, and what has no place of its own


@resource.on("DELETE", _PATH, may="shared", tx="none", stream=True)
async def delete(request: Request) -> Reply:
    entered = await _enter(request)
    if request.asked("tagging") is not None:
        return Reply(204)
    if request.asked("uploadId") is not None:
        return await multipart.abort(request, entered)
    version_id = request.asked("versionId")

    def check(there: Object | None) -> None:
        if b"if-match" in request.headers:
            conditions.check_put(request, there)

    async def act(tx: Tx) -> deletions.Gone:
        await door.bucket(tx, entered, Right.WRITE)
        return await deletions.delete(tx, entered.place, version_id, check=check)

    gone = await transact(request.parts.store, act)
    told = [(b"x-amz-delete-marker", b"true")] if gone.marker_id else []
    id = gone.version_id or gone.marker_id
    if id is not None:
        told.append((b"x-amz-version-id", id.encode()))
    return Reply(204, None, told)


@resource.on("POST", _PATH, may="shared", tx="none", stream=True)
async def post(request: Request) -> Reply:
    entered = await _enter(request)
    if request.asked("uploads") is not None:
        return await multipart.begin(request, entered)
    if request.asked("uploadId") is not None:
        return await multipart.complete(request, entered)
    raise buckets.not_offered()
