"""The session of an agent: it registers its host, gives signs of life, and leaves."""

from trivet.api.host_link import door
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.host_link import access as agent_access
from trivet.domain.host_link.words import Facts

resource = Resource()


@resource.on("POST", "/register", may="host")
async def register(request: Request) -> Reply:
    name = await door.host_name(request.tx, request)
    return Reply(200, await agent_access.register(request.tx, name, request.read(Facts), request.parts.sightings))


@resource.on("POST", "/heartbeat", may="host")
async def heartbeat(request: Request) -> Reply:
    host, lease = await door.changing(request.tx, request)
    await agent_access.heartbeat(request.tx, host, lease)
    return Reply(204)


@resource.on("GET", "/session", may="host")
async def confirm(request: Request) -> Reply:
    """Whether it is still the newest: asked last before a machine is started."""
    await door.looking(request.tx, request)
    return Reply(204)


@resource.on("POST", "/leave", may="host")
async def leave(request: Request) -> Reply:
    _, lease = await door.changing(request.tx, request)
    await agent_access.leave(request.tx, lease)
    return Reply(204)
