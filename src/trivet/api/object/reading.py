"""An object, given: whole or in spans, if the client does not have it already."""

from collections.abc import AsyncIterator

from trivet.api.kit.request import Reply, Request
from trivet.api.object import conditions, cors, door, large_objects, links, versioned, wire
from trivet.api.object.conditions import Span
from trivet.api.object.wire import Headers
from trivet.domain.objects import content, objects
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Object, Place
from trivet.domain.objects.versions import Version

_CONDITIONS = frozenset((b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"))


async def give(request: Request, place: Place) -> Reply:
    async with request.parts.store.read() as tx:
        home, found = await objects.find_both(tx, place)
        await door.check_object(tx, request, place, home, Right.READ)
        if home is not None and (version_id := versioned.asked(request)) is not None:
            asked = await versioned.chosen(tx, home, place, found, version_id)
            if isinstance(asked, Version):
                return versioned.deleted(asked)
            found = asked
        if home is None or found is None:
            raise objects.absent()
        if found.size == 0 and found.metadata:
            place, home, found = await links.followed(tx, request, place, home, found)
            found = await large_objects.gathered(tx, request, place, found)
        if found.manifest is not None:
            if request.asked("multipart-manifest") == "get":
                return large_objects.shown(request, found)
            await large_objects.check_segments(tx, request, place, found)
    return await of(request, place, home, found)


async def of(request: Request, place: Place, home: Container, found: Object) -> Reply:
    headers = headers_of(found)
    headers += cors.headers(request, home, headers)
    headers += _as_named(request, place)
    if not _CONDITIONS.isdisjoint(request.headers) and conditions.check(request, found):
        return Reply(304, b"", headers, content_type=found.content_type)
    spans = conditions.spans(request, found) if b"range" in request.headers else None
    if spans is None:
        headers.append((b"content-length", str(found.size).encode()))
        if request.method == "HEAD":
            return Reply(200, b"", headers, content_type=found.content_type)
        body = await content.of(request.parts, place.project_id, found, 0, found.size)
        return Reply(200, _sized(headers, body), headers, content_type=found.content_type)
    if not spans:
        headers.append((b"content-range", f"bytes */{found.size}".encode()))
        said = b"<html><h1>Requested Range Not Satisfiable</h1><p>The Range requested is not available.</p></html>"
        return Reply(416, said, headers, content_type=wire.HTML)
    if len(spans) == 1:
        return await _one_span(request, place, found, headers, spans[0])
    return _many_spans(request, place, found, headers, spans)


def headers_of(found: Object) -> Headers:
    etag = f'"{found.etag}"' if found.manifest is not None else found.etag
    headers = [
        (b"accept-ranges", b"bytes"),
        (b"last-modified", wire.http_date(found.modified_at)),
        (b"etag", etag.encode()),
        (b"x-timestamp", wire.stamp(found.modified_at)),
        *wire.encoded(found.metadata),
    ]
    if found.delete_at is not None:
        headers.append((b"x-delete-at", str(int(found.delete_at)).encode()))
    if found.manifest is not None and objects.MANIFEST not in found.metadata:
        headers.append((b"x-static-large-object", b"True"))
    if found.version_id is not None:
        headers.append((b"x-object-version-id", found.version_id.encode()))
    return headers


def _sized(headers: Headers, body: content.Body) -> content.Body:
    """Of what is at hand the kit says the length."""
    if isinstance(body, bytes):
        headers[:] = [header for header in headers if header[0] != b"content-length"]
    return body


def _as_named(request: Request, place: Place) -> Headers:
    """By a temporary URL it is saved as a file."""
    if not request.query_string or request.asked("temp_url_sig") is None:
        return []
    name = request.asked("filename") or place.name.rstrip("/").rpartition("/")[2]
    clean = "".join(letter for letter in name if letter.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    kind = "inline" if request.asked("inline") is not None else "attachment"
    if kind == "inline" and request.asked("filename") is None:
        return [(b"content-disposition", b"inline")]
    said = f"{kind}; filename=\"{clean}\"; filename*=UTF-8''{wire.url_quoted(name)}"
    return [(b"content-disposition", said.encode())]


async def _one_span(request: Request, place: Place, found: Object, headers: Headers, span: Span) -> Reply:
    first, last = span
    headers.append((b"content-range", f"bytes {first}-{last}/{found.size}".encode()))
    headers.append((b"content-length", str(last - first + 1).encode()))
    if request.method == "HEAD":
        return Reply(206, b"", headers, content_type=found.content_type)
    body = await content.of(request.parts, place.project_id, found, first, last - first + 1)
    return Reply(206, _sized(headers, body), headers, content_type=found.content_type)


def _many_spans(request: Request, place: Place, found: Object, headers: Headers, spans: list[Span]) -> Reply:
    boundary = request.parts.ids.hex()
    heads = [
        f"--{boundary}\r\nContent-Type: {found.content_type}\r\n"
        f"Content-Range: bytes {first}-{last}/{found.size}\r\n\r\n".encode()
        for first, last in spans
    ]
    end = f"--{boundary}--".encode()
    length = sum(len(head) + last - first + 3 for head, (first, last) in zip(heads, spans, strict=True)) + len(end)
    headers.append((b"content-length", str(length).encode()))

    async def parts() -> AsyncIterator[bytes]:
        for head, (first, last) in zip(heads, spans, strict=True):
            yield head
            body = await content.of(request.parts, place.project_id, found, first, last - first + 1)
            if isinstance(body, bytes):
                yield body
            else:
                async for chunk in body:
                    yield chunk
            yield b"\r\n"
        yield end

    kind = f"multipart/byteranges;boundary={boundary}"
    if request.method == "HEAD":
        return Reply(206, b"", headers, content_type=kind)
    return Reply(206, parts(), headers, content_type=kind)
