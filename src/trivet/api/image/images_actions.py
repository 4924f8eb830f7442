"""/v2/images/{id}/actions: an image taken out of use, and put back."""

from trivet.api.image.sight import seen
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import images

resource = Resource(names="image_id", seen=seen)


@resource.on("POST", "/v2/images/{image_id}/actions/deactivate", may="member")
async def deactivate(request: Request) -> Reply:
    await images.switch(request.tx, request.caller, request.values["image_id"], "deactivated")
    return Reply(204)


@resource.on("POST", "/v2/images/{image_id}/actions/reactivate", may="member")
async def reactivate(request: Request) -> Reply:
    await images.switch(request.tx, request.caller, request.values["image_id"], "active")
    return Reply(204)
