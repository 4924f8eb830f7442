"""Whether a caller sees the image that a path names: glance tells those who do not that there is none."""

from trivet.api.kit.request import Request
from trivet.domain.images import images
from trivet.domain.images.images import Image


async def seen(request: Request) -> Image:
    return await images.visible(request.tx, request.caller, request.values["image_id"])
