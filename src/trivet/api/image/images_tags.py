"""/v2/images/{id}/tags/{tag}: one word more or less on an image."""

import msgspec

from trivet.api.image import wire
from trivet.api.image.sight import seen
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import images
from trivet.errors import NotFound

resource = Resource(names="image_id", seen=seen)


@resource.on("PUT", "/v2/images/{image_id}/tags/{tag}", may="member")
async def add(request: Request) -> Reply:
    tag = request.values["tag"]
    wire.check_tag(tag)
    image = await images.owned(request.tx, request.caller, request.values["image_id"])
    wanted = msgspec.structs.replace(image, tags=wire.read_tags([*image.tags, tag]))
    await images.update(request.tx, request.caller, image, wanted)
    return Reply(204)


@resource.on("DELETE", "/v2/images/{image_id}/tags/{tag}", may="member")
async def remove(request: Request) -> Reply:
    tag = request.values["tag"]
    image = await images.owned(request.tx, request.caller, request.values["image_id"])
    if tag not in image.tags:
        raise NotFound("image.tag_absent", f"Image {image.id} does not have the tag {tag[:255]}.")
    wanted = msgspec.structs.replace(image, tags=tuple(word for word in image.tags if word != tag))
    await images.update(request.tx, request.caller, image, wanted)
    return Reply(204)
