"""Bytes for and from a host: the images its servers start from, and snapshots of them."""

from trivet.api.host_link import door
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.host_link import access as agent_access
from trivet.domain.images import content as image_content
from trivet.domain.images.images import Image
from trivet.domain.servers import images as server_images
from trivet.errors import Invalid
from trivet.store.tx import Tx

_FORMATS = ("raw", "qcow2", "oci")

resource = Resource()


@resource.on("GET", "/images/{image_id}/file", may="host", tx="none")
async def download(request: Request) -> Reply:
    """The bytes that an order named (`key`), with the digest that they must have."""
    async with request.parts.store.read() as tx:
        host = await door.looking(tx, request)
        key = request.asked("key") or ""
        image = await agent_access.image(tx, host, request.values["image_id"], key)
    headers = [(b"x-trivet-sha512", (image.os_hash_value or "").encode())]
    if image.size is not None:
        headers.append((b"content-length", str(image.size).encode()))
    return Reply(200, await image_content.read(request.parts, image, key), headers)


@resource.on("PUT", "/images/{image_id}/file", may="host", tx="none", stream=True)
async def upload(request: Request) -> Reply:
    async def admit(tx: Tx) -> Image:
        host, _ = await door.changing(tx, request)
        disk_format = request.asked("format")
        if disk_format not in _FORMATS:
            raise Invalid("query.invalid", f"format must be one of {', '.join(_FORMATS)}.")
        return await agent_access.snapshot(tx, host, request.values["image_id"], disk_format)

    await server_images.take_in(request.parts, admit, request.stream())
    return Reply(204)
