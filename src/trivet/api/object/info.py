"""/info, below the service's own address: some clients look there, others at the root (api/object_info)."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.object import abilities

resource = Resource()


@resource.on("GET", "/info", may="public", tx="none")
async def info(request: Request) -> Reply:
    return Reply(200, abilities.ALL, content_type="application/json; charset=UTF-8")


@resource.on("GET", "/healthcheck", may="public", tx="none")
async def healthcheck(request: Request) -> Reply:
    return Reply(200, b"OK", content_type="text/plain; charset=UTF-8")
