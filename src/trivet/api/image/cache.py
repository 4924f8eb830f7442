"""/v2/cache: the image API lets operators fill and empty a cache in front of slow stores.

Our bytes lie on a local disk, so there is no cache: it is always empty, and filling it is done at once.
"""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import images

resource = Resource()


@resource.on("GET", "/v2/cache", may="operator", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {"cached_images": [], "queued_images": []})


@resource.on("DELETE", "/v2/cache", may="admin", tx="none")
@resource.on("POST", "/v2/cache/clean", may="admin", tx="none")
@resource.on("POST", "/v2/cache/prune", may="admin", tx="none")
async def empty(request: Request) -> Reply:
    return Reply(204)


@resource.on("PUT", "/v2/cache/{image_id}", may="admin")
async def queue(request: Request) -> Reply:
    await images.visible(request.tx, request.caller, request.values["image_id"])
    return Reply(202)


@resource.on("DELETE", "/v2/cache/{image_id}", may="admin")
async def drop(request: Request) -> Reply:
    await images.visible(request.tx, request.caller, request.values["image_id"])
    return Reply(204)
