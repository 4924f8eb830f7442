"""/os-availability-zone: zones, and for operators what is in them."""

from typing import Any

from trivet.api.compute import pages
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.hosts import hosts, zones
from trivet.domain.hosts.hosts import Host

resource = Resource()


@resource.on("GET", "/v2.1/os-availability-zone", may="reader")
async def index(request: Request) -> Reply:
    pages.known(request, set(), since=2102)
    found = [
        {"zoneName": zone, "zoneState": {"available": any(host.enabled for host in inside)}, "hosts": None}
        for zone, inside in (await zones.by_zone(request.tx)).items()
    ]
    return Reply(200, {"availabilityZoneInfo": found})


@resource.on("GET", "/v2.1/os-availability-zone/detail", may="operator")
async def detail(request: Request) -> Reply:
    pages.known(request, set(), since=2102)
    found = []
    for zone, inside in (await zones.by_zone(request.tx)).items():
        enabled = [host for host in inside if host.enabled]
        inner: dict[str, Any] | None = {host.name: _services(request, host) for host in enabled} if enabled else None
        found.append({"zoneName": zone, "zoneState": {"available": bool(enabled)}, "hosts": inner})
    return Reply(200, {"availabilityZoneInfo": found})


def _services(request: Request, host: Host) -> object:
    return {
        "nova-compute": {
            "available": hosts.is_up(host),
            "active": host.enabled,
            "updated_at": iso_micros(host.agent_seen_at),
        }
    }
