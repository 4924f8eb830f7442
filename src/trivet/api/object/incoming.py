"""What a request says of an object that it brings: its bytes, and what is kept beside them."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator

from trivet.api.kit.request import Request
from trivet.api.object import links, temp_urls, wire
from trivet.domain.numbers import whole_number
from trivet.domain.objects import names, objects
from trivet.domain.objects.objects import Content, Place
from trivet.errors import Invalid

KEPT = (
    "content-disposition", "content-encoding", "cache-control", "content-language", "expires", "x-robots-tag",
    objects.MANIFEST,
)  # fmt: skip
_IDLE_S = 60.0
_ETAG_MAX = 64


def length_of(request: Request) -> int | None:
    said = request.header("content-length")
    if said is None:
        if b"transfer-encoding" not in request.headers:
            raise Invalid("body.length", "Missing Content-Length header.", status=411)
        return None
    length = whole_number(said)
    if length is None:
        raise Invalid("body.length", "Invalid Content-Length header value.")
    return length


def etag_of(request: Request) -> str | None:
    said = request.said("etag")
    return said.strip().strip('"').lower()[:_ETAG_MAX] if said else None


async def body(request: Request) -> AsyncIterator[bytes]:
    """Whoever sends nothing for a minute is told so."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(_IDLE_S):
                chunk = await anext(stream, b"")
        except TimeoutError as error:
            raise Invalid("body.slow", "The request body did not arrive in time.", status=408) from error
        if not chunk:
            return
        yield chunk


# -- what is said of it


def wanted_of(request: Request, place: Place) -> Content:
    """As it is to be, but for the bytes."""
    metadata = metadata_of(request)
    return Content(
        size=0, etag="", content_type=_content_type(request, place.name), metadata=metadata,
        delete_at=delete_at_of(request),
    )  # fmt: skip


def metadata_of(request: Request) -> dict[str, str]:
    said = wire.said(request, objects.META, *KEPT, *links.HEADERS)
    names.check_metadata(objects.META, said)
    if temp_urls.is_signed(request) and not said.keys().isdisjoint((objects.MANIFEST, *links.HEADERS)):
        raise Invalid("temp_url.header", "What stands for other objects is not taken by a temporary URL.")
    if said.get(objects.MANIFEST):
        said[objects.MANIFEST] = wire.manifest_path(said[objects.MANIFEST])
    # What is said to be empty is kept so; what is said to be removed is not.
    return {
        name: value
        for name, value in said.items()
        if value or (name.startswith(objects.META) and name.encode() in request.headers)
    }


def _content_type(request: Request, name: str) -> str:
    said = request.said("content-type")
    detect = (request.said("x-detect-content-type") or "").lower() in ("1", "true", "yes", "on", "t", "y")
    if said and not detect:
        return content_type(said)
    return mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"


def content_type(said: str) -> str:
    """As it will stand in the heads of answers."""
    if len(said) > names.HEADER_MAX or not said.isprintable():
        raise Invalid("header.utf8", "Content-Type must be printable.")
    return said


def delete_at_of(request: Request) -> float | None:
    now = request.parts.clock.now()
    after, at = request.said("x-delete-after"), request.said("x-delete-at")
    if after:
        seconds = whole_number(after)
        if seconds is None:
            raise Invalid("object.delete_after", "Non-integer X-Delete-After")
        return float(int(now) + seconds)
    if at:
        when = whole_number(at)
        if when is None:
            raise Invalid("object.delete_at", "Non-integer X-Delete-At")
        if when < now:
            raise Invalid("object.delete_at", "X-Delete-At in past")
        return float(when)
    return None
