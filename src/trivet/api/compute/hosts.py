"""/os-hosts, until 2.42: hosts by name. What acted on the machine itself was never possible here."""

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts import capacity, hosts, zones
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()

_LAST = "2.42"


class HostChange(Body, frozen=True, kw_only=True):
    status: Literal["enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"] | UnsetType = UNSET
    maintenance_mode: Literal["enable", "disable", "on_maintenance", "off_maintenance"] | UnsetType = UNSET


@resource.on("GET", "/v2.1/os-hosts", may="operator", until=_LAST)
async def index(request: Request) -> Reply:
    zone = request.asked("zone")
    found = [
        {"host_name": host.name, "service": "compute", "zone": zones.of_host(host)}
        for host in await request.tx.select(HOSTS, Where().equal("enabled", 1), order="name")
        if not zone or zones.of_host(host) == zone
    ]
    return Reply(200, {"hosts": found})


@resource.on("GET", "/v2.1/os-hosts/{host_name}", may="operator", until=_LAST)
async def show(request: Request) -> Reply:
    host = await hosts.by_name(request.tx, request.values["host_name"])
    has = (await capacity.of_hosts(request.tx, [host.id]))[host.id]
    rows = [
        _row(host, "(total)", has.vcpus, has.memory_mib, has.disk_gib),
        _row(host, "(used_now)", has.vcpus_used, has.memory_mib_used, has.disk_gib_used),
        _row(host, "(used_max)", has.vcpus_used, has.memory_mib_used, has.disk_gib_used),
    ]
    return Reply(200, {"host": rows})


@resource.on("PUT", "/v2.1/os-hosts/{host_name}", may="admin", until=_LAST)
async def change(request: Request) -> Reply:
    said = request.read(HostChange)
    host = await hosts.by_name(request.tx, request.values["host_name"])
    if said.maintenance_mode is not UNSET:
        raise _not_applicable("maintenance mode")
    if said.status is UNSET:
        raise Invalid("body.invalid", "Invalid input: status is required.")
    enabled = said.status.lower() == "enable"
    await hosts.switch(request.tx, host, enabled=enabled, reason=None)
    return Reply(200, {"host": host.name, "status": "enabled" if enabled else "disabled"})


@resource.on("GET", "/v2.1/os-hosts/{host_name}/startup", may="admin", until=_LAST)
async def startup(request: Request) -> Reply:
    await hosts.by_name(request.tx, request.values["host_name"])
    raise _not_applicable("starting a host")


@resource.on("GET", "/v2.1/os-hosts/{host_name}/shutdown", may="admin", until=_LAST)
async def shutdown(request: Request) -> Reply:
    await hosts.by_name(request.tx, request.values["host_name"])
    raise _not_applicable("shutting a host down")


@resource.on("GET", "/v2.1/os-hosts/{host_name}/reboot", may="admin", until=_LAST)
async def reboot(request: Request) -> Reply:
    await hosts.by_name(request.tx, request.values["host_name"])
    raise _not_applicable("rebooting a host")


def _not_applicable(what: str) -> Invalid:
    return Invalid(
        "host.not_applicable",
        f"Not applicable: {what} is not done through the compute API; it belongs to whoever runs the machine.",
        status=501,
    )


def _row(host: Host, what: str, cpu: int, memory_mb: int, disk_gb: int) -> dict[str, Any]:
    return {"resource": {"host": host.name, "project": what, "cpu": cpu, "memory_mb": memory_mb, "disk_gb": disk_gb}}
