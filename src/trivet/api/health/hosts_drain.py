"""/v1/hosts/{host}/drain: everything leaves a host, so that it can be switched off; and how far that is."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.health import probes
from trivet.domain.servers import draining
from trivet.domain.servers.draining import Progress

resource = Resource()
_PATH = "/{host}/drain"


@resource.on("PUT", _PATH, may="admin")
async def begin(request: Request) -> Reply:
    """Also once more, to try what failed."""
    host = await probes.needed_host(request.tx, request.values["host"])
    await draining.begin(request.tx, host)
    return Reply(202, {"drain": _view(await draining.progress(request.tx, host))})


@resource.on("GET", _PATH, may="operator")
async def show(request: Request) -> Reply:
    host = await probes.needed_host(request.tx, request.values["host"])
    return Reply(200, {"drain": _view(await draining.progress(request.tx, host))})


@resource.on("DELETE", _PATH, may="admin")
async def end(request: Request) -> Reply:
    await draining.end(request.tx, await probes.needed_host(request.tx, request.values["host"]))
    return Reply(204)


def _view(found: Progress) -> dict[str, Any]:
    return {
        "state": "drained" if found.drain.ended_at is not None else "draining",
        "started_at": iso_micros(found.drain.created_at, "Z"),
        "ended_at": iso_micros(found.drain.ended_at, "Z"),
        "servers_left": found.left,
        "servers_moving": found.moving,
        "staying": [{"id": one.server_id, "name": one.name, "why": one.why} for one in found.staying],
    }
