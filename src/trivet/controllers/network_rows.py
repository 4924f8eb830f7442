"""Network rows: what the engine should hold, read in a few queries however much was asked for.

`None` as ids means everything; an id for which there is no row has no spec, and is to be removed.
"""

from collections.abc import Collection

from trivet.domain import address_groups, network_specs, security_groups
from trivet.domain.floating_ips import FLOATING_IPS, FloatingIp
from trivet.domain.networks import NETWORKS
from trivet.domain.ports import PORTS, Port
from trivet.domain.routers import INTERFACE, ROUTERS
from trivet.domain.security_groups import SECURITY_GROUPS
from trivet.domain.subnets import SUBNETS, Subnet
from trivet.drivers.contracts.network import GroupSpec, NetworkSpec, PortSpec, RouterSpec
from trivet.store.tables import R, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Ids = Collection[str] | None
_AT_ONCE = 500


async def _select(tx: Tx, table: Table[R], column: str, ids: Ids, condition: str = "") -> list[R]:
    if ids is None:
        return await tx.select(table, Where().add(condition) if condition else None)
    found: list[R] = []
    listed = sorted(ids)
    for at in range(0, len(listed), _AT_ONCE):
        where = Where().any_of(column, listed[at : at + _AT_ONCE])
        found += await tx.select(table, where.add(condition) if condition else where)
    return found


async def networks(tx: Tx, ids: Ids) -> list[NetworkSpec]:
    by_network: dict[str, list[Subnet]] = {}
    for subnet in await _select(tx, SUBNETS, "network_id", ids):
        by_network.setdefault(subnet.network_id, []).append(subnet)
    found = await _select(tx, NETWORKS, "id", ids)
    return [
        network_specs.network_spec(
            network, sorted(by_network.get(network.id, []), key=lambda subnet: (subnet.created_at, subnet.id))
        )
        for network in found
    ]


async def ports(tx: Tx, ids: Ids) -> tuple[list[PortSpec], set[str]]:
    """(specs of what can be plugged in, routers that the others are parts of)."""
    specs: list[PortSpec] = []
    routers: set[str] = set()
    for port in await _select(tx, PORTS, "id", ids):
        if network_specs.is_plugged(port):
            specs.append(network_specs.port_spec(port))
        elif port.device_owner.startswith("network:router"):
            routers.add(port.device_id)
    return specs, routers


async def groups(tx: Tx, ids: Ids) -> list[GroupSpec]:
    found = await _select(tx, SECURITY_GROUPS, "id", ids)
    specs: list[GroupSpec] = []
    for at in range(0, len(found), _AT_ONCE):
        some = found[at : at + _AT_ONCE]
        rules = await security_groups.rules_of(tx, [group.id for group in some])
        pointed = {
            rule.remote_address_group_id for listed in rules.values() for rule in listed if rule.remote_address_group_id
        }
        blocks = await address_groups.blocks_of(tx, sorted(pointed)) if pointed else {}
        specs += [network_specs.group_spec(group, rules[group.id], blocks) for group in some]
    return specs


async def routers(tx: Tx, ids: Ids) -> list[RouterSpec]:
    found = await _select(tx, ROUTERS, "id", ids)
    legs: dict[str, list[Port]] = {}
    for port in await _select(tx, PORTS, "device_id", ids, f"device_owner = '{INTERFACE}'"):
        legs.setdefault(port.device_id, []).append(port)
    gateway_ids = [router.gateway_port_id for router in found if router.gateway_port_id]
    gateways = {port.id: port for port in await _select(tx, PORTS, "id", gateway_ids)}
    floating: dict[str, list[FloatingIp]] = {}
    for each in await _select(tx, FLOATING_IPS, "router_id", ids, "router_id IS NOT NULL"):
        floating.setdefault(each.router_id or "", []).append(each)
    on = [*gateways.values(), *(port for ports in legs.values() for port in ports)]
    subnet_ids = {ip.subnet_id for port in on for ip in port.fixed_ips}
    subnets = {subnet.id: subnet for subnet in await _select(tx, SUBNETS, "id", subnet_ids)}
    return [
        network_specs.router_spec(
            router,
            sorted(legs.get(router.id, []), key=lambda port: port.id),
            gateways.get(router.gateway_port_id or ""),
            subnets,
            sorted(floating.get(router.id, []), key=lambda each: each.id),
        )
        for router in found
    ]
