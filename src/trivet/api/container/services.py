"""/v1/services: the agents on hosts that run containers, for operators. Each is the same as compute's."""

from typing import Annotated, Any

import msgspec

from trivet.api.container import said
from trivet.api.kit.bodies import Name
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.hosts import hosts, zones
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.errors import NotFound

resource = Resource()
BINARY = "zun-compute"


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: Name
    binary: Name


class WithReason(Named, frozen=True, forbid_unknown_fields=True):
    disabled_reason: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None


class Forced(Named, frozen=True, forbid_unknown_fields=True):
    forced_down: str | bool


@resource.on("GET", "/v1/services", may="operator")
async def index(request: Request) -> Reply:
    found = [host for host in await request.tx.select(HOSTS, order="name") if "container" in host.kinds]
    return Reply(200, {"services": [_view(number, host) for number, host in enumerate(found, 1)], "next": None})


@resource.on("DELETE", "/v1/services", may="admin")
async def delete(request: Request) -> Reply:
    await hosts.forget(request.tx, await _named(request, said.words(request, Named)))
    return Reply(204)


@resource.on("PUT", "/v1/services/enable", may="admin")
async def enable(request: Request) -> Reply:
    named = said.words(request, Named)
    await hosts.switch(request.tx, await _named(request, named), enabled=True, reason=None)
    return _told(named, disabled=False, disabled_reason=None)


@resource.on("PUT", "/v1/services/disable", may="admin")
async def disable(request: Request) -> Reply:
    named = said.words(request, WithReason)
    await hosts.switch(request.tx, await _named(request, named), enabled=False, reason=named.disabled_reason)
    return _told(named, disabled=True, disabled_reason=named.disabled_reason)


@resource.on("PUT", "/v1/services/force_down", may="admin")
async def force_down(request: Request) -> Reply:
    named = said.words(request, Forced)
    down = said.flag(named.forced_down, "forced_down", otherwise=False)
    await hosts.force_down(request.tx, await _named(request, named), down=down)
    return _told(named, forced_down=down)


async def _named(request: Request, named: Named) -> Host:
    for host in await request.tx.select(HOSTS):
        if host.name == named.host and named.binary == BINARY:
            return host
    raise NotFound("service.absent", f"Zun service {named.binary[:64]} on host {named.host[:64]} could not be found.")


def _told(named: Named, **more: Any) -> Reply:
    return Reply(200, {"service": {"host": named.host, "binary": named.binary} | more})


def _view(number: int, host: Host) -> dict[str, Any]:
    return {
        "id": number,
        "host": host.name,
        "binary": BINARY,
        "state": "up" if hosts.is_up(host) else "down",
        "availability_zone": zones.of_host(host),
        "disabled": not host.enabled,
        "disabled_reason": host.disabled_reason,
        "forced_down": host.forced_down,
        "report_count": 0,
        "last_seen_up": iso_micros(host.agent_seen_at) if host.agent_seen_at else None,
        "created_at": iso_micros(host.created_at),
        "updated_at": iso_micros(host.updated_at),
    }
