"""/v2.0/floatingips"""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.domain.network import rbac_policies
from trivet.domain.network.ports.ports import PORTS, Port
from trivet.domain.network.routers import floating_ips
from trivet.domain.network.routers.floating_ips import FLOATING_IPS, FloatingIp
from trivet.domain.network.words import Text
from trivet.store.where import Where

resource = Resource()


class FloatingIpIn(floating_ips.FloatingIpCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class FloatingIpChange(floating_ips.FloatingIpUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    qos_policy_id: None = None


async def show_all(request: Request, found: Sequence[FloatingIp]) -> list[Json]:
    ids = {floating.port_id for floating in found if floating.port_id}
    inside = await request.tx.select(PORTS, Where().any_of("id", sorted(ids))) if ids else []
    by_id = {port.id: port for port in inside}
    return [_view(floating, by_id.get(floating.port_id or "")) for floating in found]


def _view(floating: FloatingIp, port: Port | None) -> Json:
    return {
        "id": floating.id,
        "floating_ip_address": floating.floating_ip_address,
        "floating_network_id": floating.floating_network_id,
        "router_id": floating.router_id,
        "port_id": floating.port_id,
        "fixed_ip_address": floating.fixed_ip_address,
        "status": floating.status,
        "dns_name": floating.dns_name,
        "dns_domain": floating.dns_domain,
        "qos_policy_id": None,
        "port_details": None
        if port is None
        else {
            "name": port.name,
            "network_id": port.network_id,
            "mac_address": port.mac_address,
            "admin_state_up": port.admin_state_up,
            "status": port.status,
            "device_id": port.device_id,
            "device_owner": port.device_owner,
        },
        **bodies.standard(floating),
    }


COLLECTION = Collection(
    FLOATING_IPS,
    "floatingip",
    "floatingips",
    show_all,
    text=(
        "floating_ip_address",
        "floating_network_id",
        "router_id",
        "port_id",
        "fixed_ip_address",
        "status",
        "dns_name",
        "dns_domain",
    ),
)


@resource.on("GET", "/v2.0/floatingips", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac_policies.own_of(request.caller))


@resource.on("POST", "/v2.0/floatingips", may="member")
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, FloatingIpIn, floating_ips.create, floating_ips.before_several)


@resource.on("GET", "/v2.0/floatingips/{floatingip_id}", may="reader")
async def show(request: Request) -> Reply:
    return await COLLECTION.one(
        request, await floating_ips.visible(request.tx, request.caller, request.values["floatingip_id"])
    )


@resource.on("PUT", "/v2.0/floatingips/{floatingip_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, FloatingIpChange, "floatingip")
    floating = await _own(request, "update_floatingip")
    bodies.matching(request, floating)
    if wanted == FloatingIpChange():
        # Long ago an association was all there was to update; an empty update still ends it.
        wanted = FloatingIpChange(port_id=None)
    return await COLLECTION.one(request, await floating_ips.update(request.tx, request.caller, floating, wanted))


@resource.on("DELETE", "/v2.0/floatingips/{floatingip_id}", may="member")
async def delete(request: Request) -> Reply:
    floating = await _own(request, "delete_floatingip")
    bodies.matching(request, floating)
    await floating_ips.delete(request.tx, floating)
    return Reply(204)


async def _own(request: Request, what: str) -> FloatingIp:
    return await floating_ips.own(request.tx, request.caller, request.values["floatingip_id"], what)
