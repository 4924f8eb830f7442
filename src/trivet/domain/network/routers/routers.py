"""Routers: what joins networks, and leads out of the cloud by a gateway on an external one.

A router's legs are ports. Whatever changes them writes the router's row too, so that one look at a
router's events tells everything there is to re-apply.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies, tags
from trivet.domain.network.addresses import FixedIp, network_of, parsed
from trivet.domain.network.groups import security_groups
from trivet.domain.network.nets import networks, subnets
from trivet.domain.network.nets.subnets import SUBNETS, Route, Subnet
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.addresses import FixedIpAsked
from trivet.domain.network.ports.ports import PORTS, Port
from trivet.domain.network.ports.wishes import PortCreate
from trivet.domain.network.words import Id, Text, ZoneHints
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

INTERFACE = "network:router_interface"
GATEWAY = "network:router_gateway"
_ROUTES_MAX = 30


class Gateway(Struct, frozen=True):
    network_id: str
    port_id: str
    enable_snat: bool
    external_fixed_ips: tuple[FixedIp, ...]


class Router(Record, frozen=True, kw_only=True):
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    status: str = "ACTIVE"
    gateway: Gateway | None = None
    gateway_network_id: str | None = None
    gateway_port_id: str | None = None
    routes: tuple[Route, ...] = ()
    availability_zone_hints: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    created_at: float
    updated_at: float


ROUTERS = Table("routers", Router)


class GatewayAsked(Struct, frozen=True, kw_only=True):
    network_id: Id | None = None
    enable_snat: bool | UnsetType = UNSET
    external_fixed_ips: tuple[FixedIpAsked, ...] | UnsetType = UNSET
    qos_policy_id: Text | None = None


class RouterCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    external_gateway_info: GatewayAsked | None = None
    availability_zone_hints: ZoneHints = ()
    flavor_id: None = None


class RouterUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    external_gateway_info: GatewayAsked | UnsetType | None = UNSET
    routes: tuple[Route, ...] | UnsetType | None = UNSET


async def visible(tx: Tx, caller: Caller, id: str) -> Router:
    router = await tx.get(ROUTERS, id)
    if router is None or not caller.may_see(router.project_id):
        raise NotFound("router.absent", f"Router {id} could not be found")
    return router


async def own(tx: Tx, caller: Caller, id: str, what: str) -> Router:
    router = await visible(tx, caller, id)
    rbac_policies.must_own(caller, router.project_id, what)
    return router


async def interfaces(tx: Tx, routers: Sequence[Router]) -> dict[str, list[Port]]:
    """A port of another project is no leg, whatever it says."""
    projects = {router.id: router.project_id for router in routers}
    found: dict[str, list[Port]] = {id: [] for id in projects}
    where = Where().any_of("device_id", list(projects)).equal("device_owner", INTERFACE)
    for port in await tx.select(PORTS, where, order="created_at, id"):
        if port.project_id == projects[port.device_id]:
            found[port.device_id].append(port)
    return found


async def create(tx: Tx, caller: Caller, wanted: RouterCreate) -> Router:
    project_id = rbac_policies.owner(caller, wanted.project_id)
    await security_groups.default_id(tx, project_id)
    now = tx.clock.now()
    router = Router(
        id=tx.ids.uuid(),
        project_id=project_id,
        name=wanted.name,
        description=wanted.description,
        admin_state_up=wanted.admin_state_up,
        availability_zone_hints=wanted.availability_zone_hints,
        created_at=now,
        updated_at=now,
    )
    await tx.insert(ROUTERS, router)
    quotas.at_end(tx, project_id, {"router": 1})
    asked = wanted.external_gateway_info
    if asked is not None and asked.network_id:
        return await tx.update(ROUTERS, router, **(await _set_gateway(tx, caller, router, asked)))
    return router


async def before_several(tx: Tx, caller: Caller, wishes: Sequence[RouterCreate]) -> None:
    await security_groups.make_defaults(tx, caller, (wish.project_id for wish in wishes))
    gateways = [wish.external_gateway_info for wish in wishes]
    await ports.hold(tx, (asked.network_id for asked in gateways if asked is not None and asked.network_id))


async def update(tx: Tx, caller: Caller, router: Router, wanted: RouterUpdate) -> Router:
    changes: dict[str, Any] = {
        field: value
        for field in ("name", "description", "admin_state_up")
        if (value := getattr(wanted, field)) is not UNSET
    }
    if wanted.external_gateway_info is not UNSET:
        asked = wanted.external_gateway_info
        if asked is None or not asked.network_id:
            changes |= await _clear_gateway(tx, router)
        else:
            changes |= await _set_gateway(tx, caller, router, asked)
    if wanted.routes is not UNSET:
        changes["routes"] = await _routes(tx, router, wanted.routes or ())
    return await tx.update(ROUTERS, router, updated_at=tx.clock.now(), **changes)


async def change_routes(tx: Tx, router: Router, *, add: Sequence[Route] = (), drop: Sequence[Route] = ()) -> Router:
    """Some of the routes, whatever somebody else does to the others at the same time."""
    gone = {route.parsed() for route in drop}
    routes = [route for route in router.routes if route.parsed() not in gone]
    routes += [route for new in add if (route := new.parsed()) not in routes]
    return await tx.update(ROUTERS, router, routes=await _routes(tx, router, routes), updated_at=tx.clock.now())


async def delete(tx: Tx, router: Router) -> None:
    if (await interfaces(tx, [router]))[router.id]:
        raise Conflict("router.in_use", f"Router {router.id} still has ports")
    if await tx.row("SELECT 1 FROM floating_ips WHERE router_id = ? LIMIT 1", router.id):
        raise Conflict("router.in_use", f"Router {router.id} still has floating IPs")
    if router.gateway_port_id:
        await ports.remove(tx, await tx.need(PORTS, router.gateway_port_id, "port"))
    await tags.forget(tx, "routers", router)
    await tx.delete(ROUTERS, router)
    quotas.at_end(tx, router.project_id, {"router": -1})


# -- the gateway


async def _set_gateway(tx: Tx, caller: Caller, router: Router, asked: GatewayAsked) -> dict[str, Any]:
    assert asked.network_id is not None
    rbac_policies.operator_only(caller, "external_gateway_info:enable_snat", asked.enable_snat)
    rbac_policies.operator_only(caller, "external_gateway_info:external_fixed_ips", asked.external_fixed_ips)
    network = await networks.visible(tx, caller, asked.network_id)
    if not network.external:
        raise Invalid("router.bad", f"Bad router request: Network {network.id} is not an external network.")
    if asked.enable_snat is not UNSET:
        snat = asked.enable_snat
    else:
        snat = router.gateway.enable_snat if router.gateway is not None else True
    old = router.gateway
    if old is not None and old.network_id == network.id and asked.external_fixed_ips is UNSET:
        return {"gateway": Gateway(old.network_id, old.port_id, snat, old.external_fixed_ips)}
    on = await subnets.of_network(tx, network.id)
    legs = await leg_subnets(tx, router)
    for subnet in on:
        refuse_overlap(subnet, legs)
    if old is not None:
        if old.network_id != network.id:
            await _no_floating(tx, router)
        await ports.remove(tx, await tx.need(PORTS, old.port_id, "port"))
    port = await ports.make(
        tx,
        network,
        "",
        PortCreate(
            network_id=network.id, device_id=router.id, device_owner=GATEWAY, fixed_ips=asked.external_fixed_ips
        ),
    )
    # Without an address, if the network has no subnet yet (gateways.py).
    return {
        "gateway": Gateway(network.id, port.id, snat, port.fixed_ips),
        "gateway_network_id": network.id,
        "gateway_port_id": port.id,
    }


async def _clear_gateway(tx: Tx, router: Router) -> dict[str, Any]:
    if router.gateway is None:
        return {}
    await _no_floating(tx, router)
    await ports.remove(tx, await tx.need(PORTS, router.gateway.port_id, "port"))
    return {"gateway": None, "gateway_network_id": None, "gateway_port_id": None}


async def _no_floating(tx: Tx, router: Router) -> None:
    row = await tx.row("SELECT 1 FROM floating_ips WHERE router_id = ? LIMIT 1", router.id)
    if row is not None:
        raise Conflict(
            "router.gateway_in_use",
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network"
            f" {router.gateway_network_id} is required by one or more floating IPs.",
        )


async def leg_subnets(tx: Tx, router: Router) -> list[Subnet]:
    legs = (await interfaces(tx, [router]))[router.id]
    ids = {ip.subnet_id for port in legs for ip in port.fixed_ips}
    if router.gateway is not None:
        ids |= {ip.subnet_id for ip in router.gateway.external_fixed_ips}
    return await tx.select(SUBNETS, Where().any_of("id", ids)) if ids else []


def refuse_overlap(subnet: Subnet, legs: Sequence[Subnet]) -> None:
    block = network_of(subnet.cidr)
    for leg in legs:
        if leg.ip_version == subnet.ip_version and network_of(leg.cidr).overlaps(block):
            if leg.id == subnet.id:
                continue
            raise Invalid(
                "router.bad",
                f"Bad router request: Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {leg.cidr}"
                f" of subnet {leg.id}.",
            )


def later(tx: Tx, router: Router) -> float:
    """Two changes in one tick of the clock are two changes."""
    return max(tx.clock.now(), router.updated_at + 1e-6)


async def _routes(tx: Tx, router: Router, routes: Sequence[Route]) -> tuple[Route, ...]:
    if len(routes) > _ROUTES_MAX:
        raise Invalid("router.routes", f"The number of routes exceeds the maximum {_ROUTES_MAX}.")
    routes = [route.parsed() for route in routes]
    if not routes:
        return ()
    blocks = [network_of(subnet.cidr) for subnet in await leg_subnets(tx, router)]
    legs = (await interfaces(tx, [router]))[router.id]
    mine = {ip.ip_address for port in legs for ip in port.fixed_ips}
    if router.gateway is not None:
        mine |= {ip.ip_address for ip in router.gateway.external_fixed_ips}
    for route in routes:
        hop = parsed(route.nexthop)
        if not any(hop in block for block in blocks):
            raise Invalid(
                "router.routes", f"Invalid format for routes: {route.nexthop}, the nexthop is not connected with router"
            )
        if str(hop) in mine:
            raise Invalid("router.routes", f"Invalid format for routes: {route.nexthop}, the nexthop is used by router")
    if len(set(routes)) != len(routes):
        raise Invalid("router.routes", "Invalid format for routes: duplicate route.")
    return tuple(routes)
