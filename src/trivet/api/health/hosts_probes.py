"""/v1/hosts/{host}/probes/{probe}: what something outside knows of a host. It is shown beside what the cloud sees, and
an alarm is raised of it; the verdict that a host is dead never rests on it."""

from typing import Annotated, Literal

import msgspec

from trivet.api.health.hosts_health import probe as view
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.health import probes

resource = Resource()


class Pushed(Body, frozen=True, kw_only=True):
    value: Literal["up", "down", "unknown"]
    detail: Annotated[str, msgspec.Meta(max_length=500)] = ""


class PushedBody(Body, frozen=True, kw_only=True):
    probe: Pushed


@resource.on("POST", "/{host}/probes/{probe}", may="service")
async def push(request: Request) -> Reply:
    said = request.read(PushedBody).probe
    host = await probes.needed_host(request.tx, request.values["host"])
    told = await probes.push(request.tx, host, request.values["probe"], said.value, said.detail)
    return Reply(200, {"probe": view(told)})
