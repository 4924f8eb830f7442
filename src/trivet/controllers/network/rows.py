"""Network rows: what the engine should hold, read in a few queries however much was asked for.

`None` as ids means everything; an id for which there is no row has no spec, and is to be removed. A spec is
made when it is asked for, so that a row of which none can be made harms nothing but itself.
"""

from collections.abc import Callable, Collection
from functools import partial

from trivet.domain.network import specs as network_specs
from trivet.domain.network.groups import security_groups
from trivet.domain.network.groups.address_groups import ADDRESS_GROUPS
from trivet.domain.network.groups.security_groups import SECURITY_GROUPS
from trivet.domain.network.nets import networks as nets
from trivet.domain.network.nets.networks import NETWORKS
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.domain.network.ports.ports import PORTS, Port
from trivet.domain.network.routers.floating_ips import FLOATING_IPS, FloatingIp
from trivet.domain.network.routers.routers import INTERFACE, ROUTERS
from trivet.drivers.contracts.network import AddressesSpec, GroupSpec, NetworkSpec, Noun, PortSpec, RouterSpec
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


async def networks(tx: Tx, ids: Ids) -> dict[str, Callable[[], NetworkSpec]]:
    by_network: dict[str, list[Subnet]] = {}
    for subnet in await _select(tx, SUBNETS, "network_id", ids):
        by_network.setdefault(subnet.network_id, []).append(subnet)
    found = await _select(tx, NETWORKS, "id", ids)
    segments: dict[str, dict[str, int]] = {}
    for at in range(0, len(found), _AT_ONCE):
        segments |= await nets.segments_of(tx, [network.id for network in found[at : at + _AT_ONCE]])
    return {
        network.id: partial(
            network_specs.network_spec,
            network,
            sorted(by_network.get(network.id, []), key=lambda subnet: (subnet.created_at, subnet.id)),
            segments.get(network.id),
        )
        for network in found
    }


async def ports(tx: Tx, ids: Ids) -> tuple[dict[str, Callable[[], PortSpec]], set[str]]:
    """(specs of what can be plugged in, routers that the others are parts of)."""
    specs: dict[str, Callable[[], PortSpec]] = {}
    routers: set[str] = set()
    for port in await _select(tx, PORTS, "id", ids):
        if network_specs.is_plugged(port):
            specs[port.id] = partial(network_specs.port_spec, port)
        elif port.device_owner.startswith("network:router"):
            routers.add(port.device_id)
    return specs, routers


async def groups(tx: Tx, ids: Ids) -> dict[str, Callable[[], GroupSpec]]:
    found = await _select(tx, SECURITY_GROUPS, "id", ids)
    specs: dict[str, Callable[[], GroupSpec]] = {}
    for at in range(0, len(found), _AT_ONCE):
        some = found[at : at + _AT_ONCE]
        rules = await security_groups.rules_of(tx, [group.id for group in some])
        specs |= {group.id: partial(network_specs.group_spec, group, rules[group.id]) for group in some}
    return specs


async def addresses(tx: Tx, ids: Ids) -> dict[str, Callable[[], AddressesSpec]]:
    found = await _select(tx, ADDRESS_GROUPS, "id", ids)
    return {group.id: partial(network_specs.addresses_spec, group) for group in found}


async def routers(tx: Tx, ids: Ids) -> dict[str, Callable[[], RouterSpec]]:
    found = await _select(tx, ROUTERS, "id", ids)
    legs: dict[str, list[Port]] = {}
    projects = {router.id: router.project_id for router in found}
    for port in await _select(tx, PORTS, "device_id", ids, f"device_owner = '{INTERFACE}'"):
        if port.project_id == projects.get(port.device_id):
            legs.setdefault(port.device_id, []).append(port)
    gateway_ids = [router.gateway_port_id for router in found if router.gateway_port_id]
    gateways = {port.id: port for port in await _select(tx, PORTS, "id", gateway_ids)}
    floating: dict[str, list[FloatingIp]] = {}
    for each in await _select(tx, FLOATING_IPS, "router_id", ids, "router_id IS NOT NULL"):
        floating.setdefault(each.router_id or "", []).append(each)
    on = [*gateways.values(), *(port for ports in legs.values() for port in ports)]
    subnet_ids = {ip.subnet_id for port in on for ip in port.fixed_ips}
    subnets = {subnet.id: subnet for subnet in await _select(tx, SUBNETS, "id", subnet_ids)}
    return {
        router.id: partial(
            network_specs.router_spec,
            router,
            sorted(legs.get(router.id, []), key=lambda port: port.id),
            gateways.get(router.gateway_port_id or ""),
            subnets,
            sorted(floating.get(router.id, []), key=lambda each: each.id),
        )
        for router in found
    }


async def there(tx: Tx) -> dict[Noun, set[str]]:
    """Ids of all that the engine should hold, without a spec of any."""
    found: dict[Noun, set[str]] = {}
    for noun, sql in _THERE.items():
        found[noun] = {str(row[0]) for row in await tx.rows(sql)}
    return found


_THERE: dict[Noun, str] = {
    "network": "SELECT id FROM networks",
    "addresses": "SELECT id FROM address_groups",
    "group": "SELECT id FROM security_groups",
    # As network_specs.is_plugged has it.
    "port": "SELECT id FROM ports WHERE device_owner NOT LIKE 'network:%'",
    "router": "SELECT id FROM routers",
}
