"""Uploads in parts: begun, filled, listed, completed, given up."""

import re
from functools import partial

from trivet.api.kit.request import Reply, Request
from trivet.api.object import conditions
from trivet.api.s3 import documents, door, headers, listings, payload, sources
from trivet.api.s3.door import Entered
from trivet.domain.numbers import whole_number
from trivet.domain.objects import content, multipart, objects, uploads
from trivet.domain.objects.access import Right
from trivet.domain.objects.multipart import PARTS_MAX, Part
from trivet.domain.objects.names import SIZE_MAX
from trivet.domain.objects.objects import Content, Object, Place
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

_RANGE = re.compile(r"^bytes=([0-9]{1,18})-([0-9]{1,18})\Z")
_ETAG = re.compile(r"^[0-9a-f]{32}\Z")


async def begin(request: Request, entered: Entered) -> Reply:
    wanted = headers.wanted(request)
    await documents.whole(payload.of(request, entered.signature))

    async def act(tx: Tx) -> multipart.Upload:
        await door.bucket(tx, entered, Right.WRITE)
        caller = entered.signature.caller
        return await multipart.begin(tx, entered.place, caller.user_id, wanted.content_type, wanted.metadata)

    upload = await transact(request.parts.store, act)
    place = entered.place
    told = [("Bucket", place.container), ("Key", place.name), ("UploadId", upload.id)]
    return documents.reply("InitiateMultipartUploadResult", told)


def _upload_id(request: Request) -> str:
    return request.asked("uploadId") or ""


async def _known(request: Request, entered: Entered, needs: Right) -> None:
    async with request.parts.store.read() as tx:
        await door.bucket(tx, entered, needs)
        await multipart.need(tx, entered.place, _upload_id(request))


async def put_part(request: Request, entered: Entered) -> Reply:
    number = whole_number(request.asked("partNumber") or "")
    if number is None or not 1 <= number <= PARTS_MAX:
        raise Invalid("query.argument", f"Part number must be an integer between 1 and {PARTS_MAX}, inclusive")
    await _known(request, entered, Right.WRITE)
    if b"x-amz-copy-source" in request.headers:
        placed = await _copy_part(request, entered, number)
        told = [("LastModified", documents.moment(placed.modified_at)), ("ETag", f'"{placed.etag}"')]
        return documents.reply("CopyPartResult", told)
    length = payload.length_of(request, entered.signature)
    if length is not None and length > SIZE_MAX:
        raise uploads.too_large()
    received = await uploads.receive(
        request.parts, uploads.Room(entered.place.project_id), payload.of(request, entered.signature)
    )
    if length is not None and received.size != length:
        await uploads.drop(request.parts, received)
        raise Invalid("s3.chunk", "You did not provide the number of bytes that you said.")
    placed = await _settle(request, entered, number, received)
    return Reply(200, b"", [(b"etag", f'"{placed.etag}"'.encode())])


async def _settle(request: Request, entered: Entered, number: int, received: uploads.Received) -> Object:
    async def act(tx: Tx) -> Object:
        said = Content(
            size=received.size, etag=received.etag, blob_key=received.key, content_type="application/octet-stream"
        )
        return await multipart.put_part(tx, entered.place, _upload_id(request), number, said)

    return await uploads.settle(request.parts, received, act)


async def _copy_part(request: Request, entered: Entered, number: int) -> Object:
    source, found = await sources.of_copy(request, entered)
    first, length = 0, found.size
    said = request.header("x-amz-copy-source-range")
    if said is not None:
        match = _RANGE.match(said)
        if match is None or not int(match[1]) <= int(match[2]) < found.size:
            raise Invalid("range.none", "The range specified is not valid for the source object")
        first, length = int(match[1]), int(match[2]) - int(match[1]) + 1
    if length > SIZE_MAX:
        raise uploads.too_large()
    chunks = content.whole(request.parts, source.project_id, found, first, length)
    return await _settle(
        request, entered, number, await uploads.receive(request.parts, uploads.Room(entered.place.project_id), chunks)
    )


async def complete(request: Request, entered: Entered) -> Reply:
    raw = await documents.whole(payload.of(request, entered.signature))
    said = _parts(await documents.parsed(raw, "CompleteMultipartUpload"))
    place, upload_id = entered.place, _upload_id(request)

    async def act(tx: Tx) -> Object:
        await door.bucket(tx, entered, Right.WRITE)
        return await multipart.complete(
            tx, place, upload_id, said, check=lambda there: conditions.check_put(request, there)
        )

    placed = await transact(request.parts.store, act)
    await _drop_unused(request, place, upload_id, said)
    location = f"{request.url}/{place.container}/{place.name}"
    told = [("Location", location), ("Bucket", place.container), ("Key", place.name), ("ETag", f'"{placed.etag}"')]
    async with request.parts.store.read() as tx:
        home, _ = await objects.find_both(tx, place)
    return documents.reply(
        "CompleteMultipartUploadResult", told, 200, headers.version_id(home, placed) if home is not None else []
    )


async def _drop_unused(request: Request, place: Place, upload_id: str, said: list[Part]) -> None:
    """What was sent and is no part of it goes, some at a time."""
    kept = frozenset(one.number for one in said)
    after: int | None = 0
    while after is not None:
        act = partial(multipart.drop_some, place=place, upload_id=upload_id, after=after, keeping=kept)
        after = await transact(request.parts.store, act)


def _parts(document: documents.Element) -> list[Part]:
    found = []
    for one in document.all("Part"):
        number, etag = whole_number(one.said("PartNumber").strip()), one.said("ETag").strip().strip('"').lower()
        if number is None or not 1 <= number <= PARTS_MAX:
            raise Invalid("xml.malformed", f"Part numbers are 1 to {PARTS_MAX}.")
        if not _ETAG.match(etag):
            raise Invalid("upload.part", f"Part {number} could not be found, or its ETag is another one.")
        found.append(Part(number, etag))
    if not 0 < len(found) <= PARTS_MAX:
        raise Invalid("xml.malformed", "An upload is completed of one part at least.")
    return found


async def abort(request: Request, entered: Entered) -> Reply:
    place, upload_id = entered.place, _upload_id(request)

    async def act(tx: Tx) -> None:
        await door.bucket(tx, entered, Right.WRITE)
        await multipart.abort(tx, place, upload_id)

    await transact(request.parts.store, act)
    await _drop_unused(request, place, upload_id, [])
    return Reply(204)


async def list_parts(request: Request, entered: Entered) -> Reply:
    place, upload_id = entered.place, _upload_id(request)
    most = listings.most_of(request, "max-parts")
    after = whole_number(request.asked("part-number-marker") or "0") or 0
    async with request.parts.store.read() as tx:
        await door.bucket(tx, entered, Right.READ)
        await multipart.need(tx, place, upload_id)
        found = await multipart.parts(tx, place, upload_id, after, most + 1)
    shown, more = found[:most], len(found) > most > 0
    coded = listings.encoded(request)
    told: list[tuple[str, documents.Content]] = [
        ("Bucket", place.container),
        ("Key", place.name),
        ("UploadId", upload_id),
        ("Initiator", listings.owner(place.project_id)),
        ("Owner", listings.owner(place.project_id)),
        ("StorageClass", "STANDARD"),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", multipart.number_of(shown[-1]) if shown else None),
        ("MaxParts", most),
        ("EncodingType", "url" if coded else None),
        ("IsTruncated", more),
    ]
    for one in shown:
        said = [("PartNumber", multipart.number_of(one)), *listings.facts(one)[:3]]
        told.append(("Part", said))
    return documents.reply("ListPartsResult", told)


async def listed(request: Request, entered: Entered) -> Reply:
    prefix, most = request.asked("prefix") or "", listings.most_of(request, "max-uploads")
    after = (request.asked("key-marker") or "", request.asked("upload-id-marker") or "~")
    if request.asked("delimiter"):
        raise Invalid("s3.not_offered", "Uploads under way are not listed by folder.")
    async with request.parts.store.read() as tx:
        home = await door.bucket(tx, entered, Right.READ)
        found = await multipart.listed(tx, home, prefix, after, most + 1)
    shown, more = found[:most], len(found) > most > 0
    told: list[tuple[str, documents.Content]] = [
        ("Bucket", home.name),
        ("KeyMarker", after[0]),
        ("UploadIdMarker", request.asked("upload-id-marker") or ""),
        ("NextKeyMarker", shown[-1].name if more else None),
        ("NextUploadIdMarker", shown[-1].id if more else None),
        ("Prefix", prefix),
        ("MaxUploads", most),
        ("IsTruncated", more),
    ]
    for one in shown:
        said = [("Key", one.name), ("UploadId", one.id), ("Initiator", listings.owner(home.project_id)),
                ("Owner", listings.owner(home.project_id)), ("StorageClass", "STANDARD"),
                ("Initiated", documents.moment(one.created_at))]  # fmt: skip
        told.append(("Upload", said))
    return documents.reply("ListMultipartUploadsResult", told)
