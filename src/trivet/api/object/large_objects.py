"""Large objects in Swift's words: manifests in JSON that name segments one by one, and one header that names them by
how they begin.
"""

import asyncio
import hashlib
import re
from binascii import a2b_base64
from urllib.parse import quote, unquote

import msgspec

from trivet.api.kit.request import NOBODY, Reply, Request, encode
from trivet.api.object import conditions, door, incoming, listings, temp_urls, wire
from trivet.domain.objects import access, acts, containers, large, objects
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Content, Listed, Object, Place, Segment
from trivet.errors import Conflict, Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

_NESTED_MAX = 1000
"""Large objects within one, which are all looked at before it is read."""
_RANGE = re.compile(r"^\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*\Z")


class NamedSegment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A segment as the client says it."""

    path: str = ""
    data: str = ""
    etag: str | None = None
    size_bytes: int | None = None
    range: str | None = None


_DECODER = msgspec.json.Decoder(list[NamedSegment])


# -- dynamic


async def gathered(tx: Tx, request: Request, place: Place, found: Object) -> Object:
    """With its segments, if it is a dynamic one and is not asked for itself."""
    said = found.metadata.get(objects.MANIFEST)
    if not said or request.asked("multipart-manifest") == "get":
        return found
    container, _, prefix = unquote(said).lstrip("/").partition("/")
    return await large.gathered(tx, place.project_id, found, container, prefix)


async def check_segments(tx: Tx, request: Request, place: Place, found: Object) -> None:
    """Who reads the whole may read the parts, and the parts of those. Each is looked at once, however often it is
    named: large objects of large objects name more parts than there are atoms."""
    if temp_urls.is_signed(request):
        home = await containers.find(tx, place.project_id, place.container)
        if await temp_urls.check(tx, request, place, home):
            return
        if any(not segment.data and segment.container != place.container for segment in await _parts(tx, place, found)):
            raise access.refusal(NOBODY)
        return
    if access.in_account(request.caller, place.project_id) >= Right.READ:
        return
    allowed = {place.container}
    for segment in await _parts(tx, place, found):
        if segment.container not in allowed and not segment.data:
            part = Place(place.project_id, segment.container, segment.name)
            home = await containers.find(tx, place.project_id, segment.container)
            await door.check_object(tx, request, part, home, Right.READ)
            allowed.add(segment.container)


async def _parts(tx: Tx, place: Place, found: Object) -> list[Segment]:
    """All that it is made of, one of each container."""
    parts: dict[str, Segment] = {}
    seen: set[tuple[str, str]] = set()
    left = [found]
    while left:
        for segment in left.pop().manifest or ():
            parts.setdefault(segment.container, segment)
            at = (segment.container, segment.name)
            if not segment.nested or at in seen:
                continue
            if len(seen) >= _NESTED_MAX:
                raise Conflict("segment.depth", "Large objects are made of large objects more often than is good.")
            seen.add(at)
            await asyncio.sleep(0)
            _, inner = await objects.find_both(tx, Place(place.project_id, *at))
            if inner is not None:
                left.append(inner)
    return list(parts.values())


# -- static


def shown(request: Request, found: Object) -> Reply:
    """The manifest itself."""
    raw = request.asked("format") == "raw"
    rows = [(_raw if raw else _told)(segment, found) for segment in found.manifest or ()]
    headers = [(b"x-static-large-object", b"True"), (b"etag", found.etag.encode())]
    headers += [(b"last-modified", wire.http_date(found.modified_at)), *wire.encoded(found.metadata)]
    return Reply(200, encode(rows), headers, content_type="application/json; charset=utf-8")


def _raw(segment: Segment, found: Object) -> dict[str, object]:
    if segment.data:
        return {"data": segment.data}
    row: dict[str, object] = {
        "path": f"/{segment.container}/{segment.name}", "etag": segment.etag, "size_bytes": segment.size,
    }  # fmt: skip
    return row if segment.range is None else row | {"range": f"{segment.range[0]}-{segment.range[1]}"}


def _told(segment: Segment, found: Object) -> dict[str, object]:
    if segment.data:
        return {"data": segment.data}
    row: dict[str, object] = {
        "name": f"/{segment.container}/{segment.name}", "hash": segment.etag, "bytes": segment.size,
        "content_type": segment.content_type, "last_modified": listings.moment(found.modified_at),
    }  # fmt: skip
    if segment.nested:
        row["sub_slo"] = True
    return row if segment.range is None else row | {"range": f"{segment.range[0]}-{segment.range[1]}"}


async def put(request: Request, place: Place, home: Container, wanted: Content) -> Reply:
    said = await _read(request)

    async def act(tx: Tx) -> Object:
        segments = await _resolved(tx, request, place, said)
        etag = large.etag_of(segments)
        asked = incoming.etag_of(request)
        if asked is not None and asked != etag:
            raise Invalid("object.etag", "Unable to process the contained instructions", status=422)
        content = msgspec.structs.replace(wanted, size=large.size_of(segments), etag=etag, manifest=segments)
        return await acts.set_down(tx, place, content, check=lambda there: conditions.check_put(request, there))

    placed = await transact(request.parts.store, act)
    headers = [(b"etag", f'"{placed.etag}"'.encode()), (b"last-modified", wire.http_date(placed.modified_at))]
    return wire.done(201, headers)


async def _read(request: Request) -> list[NamedSegment]:
    raw = bytearray()
    async for chunk in incoming.body(request):
        raw += chunk
        if len(raw) > large.MANIFEST_BYTES_MAX:
            raise Invalid("manifest.too_large", f"Manifest File > {large.MANIFEST_BYTES_MAX} bytes", status=413)
    try:
        said = _DECODER.decode(bytes(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("manifest.json", f"Manifest must be valid JSON: {error}\n") from error
    if not said:
        raise Invalid("manifest.empty", "Manifest must have at least one segment.\n")
    if len(said) > large.SEGMENTS_MAX:
        raise Invalid("manifest.segments", f"Number of segments must be <= {large.SEGMENTS_MAX}", status=413)
    return said


async def _resolved(tx: Tx, request: Request, place: Place, said: list[NamedSegment]) -> tuple[Segment, ...]:
    found: list[Segment] = []
    wrong: list[str] = []
    homes: dict[str, Container | None] = {}
    for number, wanted in enumerate(said):
        if wanted.data:
            found.append(_inline(number, wanted, wrong))
            continue
        container, name = _path(number, wanted)
        if container not in homes:
            home = await containers.find(tx, place.project_id, container)
            await door.check_object(tx, request, Place(place.project_id, container, name), home, Right.READ)
            homes[container] = home
        home = homes[container]
        there = await objects.listed_as(tx, home, name) if home is not None else None
        if there is None:
            wrong.append(f"{quote(f'/{container}/{name}')}, 404 Not Found")
            continue
        found.append(_there(container, wanted, there, wrong))
    if wrong:
        raise Invalid("manifest.segments", "Errors:\n" + "\n".join(wrong[:100]) + "\n")
    return tuple(found)


def _there(container: str, wanted: NamedSegment, there: Listed, wrong: list[str]) -> Segment:
    where = quote(f"/{container}/{there.name}")
    if wanted.etag is not None and wanted.etag.strip('"') != there.etag:
        wrong.append(f"{where}, Etag Mismatch")
    if wanted.size_bytes is not None and wanted.size_bytes != there.size:
        wrong.append(f"{where}, Size Mismatch")
    if not there.size:
        wrong.append(f"{where}, Too small; each segment must be at least 1 byte.")
    span = _span(wanted.range, there.size)
    if span is not None and not span[0] <= span[1] < there.size:
        wrong.append(f"{where}, Unsatisfiable Range")
    return Segment(container, there.name, there.etag, there.size, there.content_type, span, nested=there.is_large)


def _inline(number: int, wanted: NamedSegment, wrong: list[str]) -> Segment:
    try:
        data = a2b_base64(wanted.data, strict_mode=True)
    except ValueError:
        wrong.append(f"Index {number}: data must be valid base64")
        data = b""
    if not data:
        wrong.append(f"Index {number}: data must not be empty")
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Segment("", "", etag, len(data), data=wanted.data)


def _path(number: int, wanted: NamedSegment) -> tuple[str, str]:
    container, _, name = wanted.path.lstrip("/").partition("/")
    if not container or not name:
        raise Invalid(
            "manifest.path", f"Index {number}: path does not refer to an object. Path must be of the form "
            "/container/object.\n"
        )  # fmt: skip
    wire.check_text(wanted.path)
    return container, name


def _span(said: str | None, size: int) -> tuple[int, int] | None:
    if not said:
        return None
    match = _RANGE.match(said)
    if match is None or not (match[1] or match[2]):
        raise Invalid("manifest.range", f"Invalid Range {said[:64]!r} in the manifest.\n")
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    return int(match[1]), min(int(match[2]), size - 1) if match[2] else size - 1
