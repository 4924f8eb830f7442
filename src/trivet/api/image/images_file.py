"""/v2/images/{id}/file and /stage: an image's bytes, in and out, as streams."""

import re
from collections.abc import AsyncIterator

from trivet.api.image.sight import seen
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import content as image_content
from trivet.domain.images import data as image_data
from trivet.domain.images import images, stores
from trivet.domain.images.images import Image
from trivet.domain.numbers import whole_number
from trivet.errors import Forbidden, Invalid, OverQuota

resource = Resource(names="image_id", seen=seen)

_RANGE = re.compile(r"^bytes=([0-9]{0,18})-([0-9]{0,18})\Z")
_CONTENT_RANGE = re.compile(r"^bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)\Z")


@resource.on("PUT", "/v2/images/{image_id}/file", may="member", tx="none", stream=True)
async def upload(request: Request) -> Reply:
    chunks, size = _octets(request)
    store = stores.one(request.parts.settings, request.header("x-image-meta-store"))
    await image_data.upload(request.parts, request.caller, request.values["image_id"], chunks, size, store=store)
    return Reply(204)


@resource.on("PUT", "/v2/images/{image_id}/stage", may="member", tx="none", stream=True)
async def stage(request: Request) -> Reply:
    chunks, size = _octets(request)
    await image_data.stage(request.parts, request.caller, request.values["image_id"], chunks, size)
    return Reply(204)


def _octets(request: Request) -> tuple[AsyncIterator[bytes], int | None]:
    """And how many, if the client says it: by the length of the body or, for one in chunks, in a header of glance's."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/octet-stream":
        raise Invalid(
            "body.type", f"Image data has the content type application/octet-stream, not {kind[:64]!r}.", status=415
        )
    length = request.header("content-length") or request.header("x-openstack-image-size")
    if length is None:
        return request.stream(), None
    size = whole_number(length)
    if size is None:
        raise Invalid("body.length", f"The size {length[:64]!r} is not a whole number of 0 or more.")
    if size > image_data.SIZE_MAX:
        raise OverQuota("image.too_large", f"An image has {image_data.SIZE_MAX} bytes at most.", status=413)
    return request.stream(), size


@resource.on("GET", "/v2/images/{image_id}/file", may="member", tx="none")
async def download(request: Request) -> Reply:
    async with request.parts.store.read() as tx:
        image = await images.visible(tx, request.caller, request.values["image_id"])
    if image.status == "deactivated" and not request.caller.is_operator:
        raise Forbidden(
            "image.deactivated", "The requested image has been deactivated. Image data download is forbidden."
        )
    if image.blob_key is None or image.size is None:
        return Reply(204)
    span = _asked_range(request, image.size)
    if span is None:
        return await _whole(request, image, image.blob_key, image.size)
    first, last = span
    length = last - first + 1
    headers = [
        (b"content-length", str(length).encode()),
        (b"content-range", f"bytes {first}-{last}/{image.size}".encode()),
        (b"accept-ranges", b"bytes"),
    ]
    return Reply(206, await image_content.read(request.parts, image, image.blob_key, first, length), headers)


async def _whole(request: Request, image: Image, key: str, size: int) -> Reply:
    headers = [(b"content-length", str(size).encode()), (b"accept-ranges", b"bytes")]
    if image.checksum is not None:
        headers.append((b"content-md5", image.checksum.encode()))
    return Reply(200, await image_content.read(request.parts, image, key), headers)


def _asked_range(request: Request, size: int) -> tuple[int, int] | None:
    """(first, last) of the one range that was asked for; some clients ask with Content-Range."""
    asked = request.header("range")
    match = _RANGE.match(asked.strip()) if asked else None
    if asked and match is None:
        raise _unsatisfiable(asked, size)
    if match is None:
        asked = request.header("content-range")
        match = _CONTENT_RANGE.match(asked.strip()) if asked else None
    if match is None:
        return None
    first_text, last_text = match[1], match[2]
    if not first_text:
        first, last = max(0, size - int(last_text or 0)), size - 1
    else:
        first, last = int(first_text), min(int(last_text), size - 1) if last_text else size - 1
    if first > last or first >= size:
        raise _unsatisfiable(asked or "", size)
    return first, last


def _unsatisfiable(asked: str, size: int) -> Invalid:
    return Invalid("range.unsatisfiable", f"The range {asked[:64]!r} does not lie within {size} bytes.", status=416)
