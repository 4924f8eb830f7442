"""GET / and GET /v1: which versions the engine speaks. Anybody may."""

from trivet.api.baremetal.forwarding import forward
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    return await forward(request)


@resource.on("GET", "/v1", may="public", tx="none")
async def show(request: Request) -> Reply:
    return await forward(request)
