"""/os-hypervisors: the machines that servers run on."""

from typing import Any

from msgspec import structs

from trivet.api.compute import host_views, pages
from trivet.api.compute.host_views import BY_UUID
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts import capacity
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.errors import Invalid, NotFound
from trivet.store import lists
from trivet.store.where import Where

resource = Resource()

_PAGED = 2033
_BY_NAME = (("name", False),)
_COUNTED = (
    "vcpus",
    "vcpus_used",
    "memory_mb",
    "memory_mb_used",
    "local_gb",
    "local_gb_used",
    "free_ram_mb",
    "free_disk_gb",
    "disk_available_least",
    "current_workload",
    "running_vms",
)


@resource.on("GET", "/v2.1/os-hypervisors", may="operator")
async def index(request: Request) -> Reply:
    return await _list(request, "os-hypervisors", detail=False)


@resource.on("GET", "/v2.1/os-hypervisors/detail", may="operator")
async def detail(request: Request) -> Reply:
    return await _list(request, "os-hypervisors/detail", detail=True)


@resource.on("GET", "/v2.1/os-hypervisors/statistics", may="operator", until="2.87")
async def statistics(request: Request) -> Reply:
    found = await request.tx.select(HOSTS)
    inside = await capacity.of_hosts(request.tx, [host.id for host in found])
    sums: dict[str, int] = {"count": len(found)}
    for host in found:
        view = host_views.hypervisor_detail(request, host, inside[host.id])
        for name, value in view.items():
            if name in _COUNTED:
                sums[name] = sums.get(name, 0) + value
    for name in _COUNTED:
        sums.setdefault(name, 0)
    return Reply(200, {"hypervisor_statistics": sums})


@resource.on("GET", "/v2.1/os-hypervisors/{hypervisor_id}", may="operator")
async def show(request: Request) -> Reply:
    if request.version >= BY_UUID:
        pages.known(request, {"with_servers"}, since=BY_UUID)
    host = await host_views.needed(request, request.values["hypervisor_id"], "Hypervisor", invalid_number=False)
    inside = await capacity.of_hosts(request.tx, [host.id])
    view = host_views.hypervisor_detail(request, host, inside[host.id])
    if request.version >= BY_UUID and request.asked_flag("with_servers"):
        _add_servers(request, view, (await capacity.servers_on(request.tx, [host.id]))[host.id])
    return Reply(200, {"hypervisor": view})


@resource.on("GET", "/v2.1/os-hypervisors/{hypervisor_id}/uptime", may="operator", until="2.87")
async def uptime(request: Request) -> Reply:
    host = await host_views.needed(request, request.values["hypervisor_id"], "Hypervisor", invalid_number=False)
    told = host_views.uptime(request, host)
    if told is None:
        raise Invalid("host.uptime_unknown", f"Compute service of {host.name} does not tell its uptime at this time.")
    return Reply(200, {"hypervisor": host_views.hypervisor(request, host) | {"uptime": told}})


@resource.on("GET", "/v2.1/os-hypervisors/{hypervisor_id}/search", may="operator", until="2.52")
async def search(request: Request) -> Reply:
    found = await _named_like(request, request.values["hypervisor_id"])
    return Reply(200, {"hypervisors": [host_views.hypervisor(request, host) for host in found]})


@resource.on("GET", "/v2.1/os-hypervisors/{hypervisor_id}/servers", may="operator", until="2.52")
async def servers(request: Request) -> Reply:
    found = await _named_like(request, request.values["hypervisor_id"])
    on = await capacity.servers_on(request.tx, [host.id for host in found])
    views = []
    for host in found:
        view = host_views.hypervisor(request, host)
        _add_servers(request, view, on[host.id])
        views.append(view)
    return Reply(200, {"hypervisors": views})


async def _list(request: Request, collection: str, *, detail: bool) -> Reply:
    names: set[str] = {"limit", "marker"} | (
        {"hypervisor_hostname_pattern", "with_servers"} if request.version >= BY_UUID else set()
    )
    pages.known(request, names, since=BY_UUID)
    pattern = request.asked("hypervisor_hostname_pattern") if request.version >= BY_UUID else None
    if pattern is not None:
        if request.asked("limit") is not None or request.asked("marker") is not None:
            raise Invalid(
                "query.invalid",
                "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.",
            )
        found, links = await _named_like(request, pattern), dict[str, Any]()
    else:
        found, links = await _page(request, collection)
    ids = [host.id for host in found]
    inside = await capacity.of_hosts(request.tx, ids) if detail and request.version < 2088 else {}
    with_servers = request.version >= BY_UUID and request.asked_flag("with_servers")
    on = await capacity.servers_on(request.tx, ids) if with_servers else {}
    views = []
    for host in found:
        view = (
            host_views.hypervisor_detail(request, host, inside.get(host.id, capacity.Capacity()))
            if detail
            else host_views.hypervisor(request, host)
        )
        if with_servers:
            _add_servers(request, view, on[host.id])
        views.append(view)
    return Reply(200, {"hypervisors": views, **links})


async def _page(request: Request, collection: str) -> tuple[list[Host], dict[str, Any]]:
    """The hosts, and the link to more of them."""
    everything, links = Where(), dict[str, Any]()
    if request.version < _PAGED:
        return await lists.page(request.tx, HOSTS, everything, pages.unpaged(_BY_NAME), seen=everything), links
    asked = pages.asked(request, _BY_NAME)
    if asked.marker is not None:
        asked = structs.replace(asked, marker=await _marked(request, asked.marker))
    found = await lists.page(request.tx, HOSTS, everything, asked, seen=everything)
    pages.add_next(request, links, "hypervisors", collection, [str(host_views.id_of(request, host)) for host in found])
    return found, links


async def _marked(request: Request, marker: str) -> str:
    """At old versions a host is known by a number."""
    try:
        return (await host_views.needed(request, marker, "Hypervisor", invalid_number=False)).id
    except NotFound as error:
        raise pages.SPELLING.absent(marker) from error


async def _named_like(request: Request, pattern: str) -> list[Host]:
    found = await request.tx.select(HOSTS, Where().holding("name", pattern), order="name")
    if not found:
        raise NotFound("host.absent", f"No hypervisor matching '{pattern[:255]}' could be found.")
    return found


def _add_servers(request: Request, view: dict[str, Any], on: list[tuple[str, str]]) -> None:
    """Before 2.75 a host without servers says nothing of them."""
    if on or request.version >= 2075:
        view["servers"] = [{"uuid": id, "name": name} for id, name in on]
