"""/os-floating-ips and their pools, until 2.35: the network's own, in nova's words. A pool is an external network."""

from typing import Any

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.ports.ports import PORTS
from trivet.domain.network.routers import floating_ips
from trivet.domain.network.routers.floating_ips import FLOATING_IPS, FloatingIp, FloatingIpCreate
from trivet.errors import Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.where import Where

resource = Resource()

_LAST = "2.35"


class Allocate(Body, frozen=True, kw_only=True):
    pool: str | None = None


@resource.on("GET", "/v2.1/os-floating-ip-pools", may="reader", until=_LAST)
async def pools(request: Request) -> Reply:
    return Reply(
        200, {"floating_ip_pools": [{"name": network.name or network.id} for network in await _pools(request)]}
    )


@resource.on("GET", "/v2.1/os-floating-ips", may="reader", until=_LAST)
async def index(request: Request) -> Reply:
    where = Where().equal("project_id", request.caller.project_id or "")
    found = await request.tx.select(FLOATING_IPS, where, order="created_at, id")
    return Reply(200, {"floating_ips": await _shown(request, found)})


@resource.on("GET", "/v2.1/os-floating-ips/{floating_ip_id}", may="reader", until=_LAST)
async def show(request: Request) -> Reply:
    return await _reply(request, await _needed(request))


@resource.on("POST", "/v2.1/os-floating-ips", may="member", until=_LAST)
async def allocate(request: Request) -> Reply:
    wanted = request.read(Allocate).pool if request.body.strip() not in (b"", b"null") else None
    found = [n for n in await _pools(request) if wanted is None or wanted in (n.name, n.id)]
    if not found:
        raise NotFound("floating_ip_pool.absent", "Floating IP pool not found.")
    floating = await floating_ips.create(request.tx, request.caller, FloatingIpCreate(floating_network_id=found[0].id))
    return await _reply(request, floating)


@resource.on("DELETE", "/v2.1/os-floating-ips/{floating_ip_id}", may="member", until=_LAST)
async def release(request: Request) -> Reply:
    floating = await _needed(request)
    await floating_ips.own(request.tx, request.caller, floating.id, "delete_floatingip")
    await floating_ips.delete(request.tx, floating)
    return Reply(202)


async def _pools(request: Request) -> list[Network]:
    found = await request.tx.select(NETWORKS, Where().equal("external", 1), order="created_at, id")
    visible = []
    for network in found:
        try:
            visible.append(await networks.visible(request.tx, request.caller, network.id))
        except NotFound:
            continue
    return visible


async def _needed(request: Request) -> FloatingIp:
    id = request.values["floating_ip_id"]
    if not is_uuid(id):
        raise Invalid("floating_ip.id", f"Invalid ID received {id[:64]}.")
    try:
        return await floating_ips.visible(request.tx, request.caller, id)
    except NotFound as error:
        raise NotFound(error.code, f"Floating IP not found for ID {id}") from error


async def _reply(request: Request, floating: FloatingIp) -> Reply:
    return Reply(200, {"floating_ip": (await _shown(request, [floating]))[0]})


async def _shown(request: Request, found: list[FloatingIp]) -> list[dict[str, Any]]:
    pools_by_id = await networks.named(request.tx, {floating.floating_network_id for floating in found})
    port_ids = sorted({floating.port_id for floating in found if floating.port_id is not None})
    ports = await request.tx.select(PORTS, Where().any_of("id", port_ids)) if port_ids else []
    servers = {port.id: port.device_id for port in ports}
    views = []
    for floating in found:
        pool = pools_by_id.get(floating.floating_network_id)
        views.append(
            {
                "id": floating.id,
                "ip": floating.floating_ip_address,
                "fixed_ip": floating.fixed_ip_address,
                "instance_id": servers.get(floating.port_id or "") or None,
                "pool": (pool.name if pool else "") or floating.floating_network_id,
            }
        )
    return views
