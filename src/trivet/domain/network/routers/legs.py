"""Legs of a router: the ports by which it stands in networks. Each one that comes or goes writes the router's row."""

from collections.abc import Sequence

from msgspec import Struct

from trivet.domain.callers import Caller
from trivet.domain.network import addresses
from trivet.domain.network.addresses import network_of, parsed
from trivet.domain.network.nets import networks, subnets
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.addresses import FixedIpAsked, Seeker
from trivet.domain.network.ports.ports import PORTS, Port
from trivet.domain.network.ports.wishes import PortCreate
from trivet.domain.network.routers.routers import (
    INTERFACE,
    ROUTERS,
    Router,
    interfaces,
    later,
    leg_subnets,
    refuse_overlap,
)
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store.tx import Tx


class Attached(Struct, frozen=True):
    """What adding or removing an interface answers."""

    router: Router
    port: Port
    subnet_ids: tuple[str, ...]


async def add_interface(tx: Tx, caller: Caller, router: Router, subnet_id: str | None, port_id: str | None) -> Attached:
    if (subnet_id is None) == (port_id is None):
        raise Invalid("router.bad", "Bad router request: Either subnet_id or port_id must be specified.")
    legs = await leg_subnets(tx, router)
    if port_id is not None:
        attached = await _add_port(tx, caller, router, legs, port_id)
    else:
        assert subnet_id is not None
        attached = await _add_subnet(tx, caller, router, legs, subnet_id)
    written = await tx.update(ROUTERS, router, updated_at=later(tx, router))
    return Attached(written, attached.port, attached.subnet_ids)


async def _add_port(tx: Tx, caller: Caller, router: Router, legs: Sequence[Subnet], port_id: str) -> Attached:
    port = await ports.visible(tx, caller, port_id)
    if port.project_id != router.project_id:
        raise Invalid(
            "router.bad", f"Bad router request: Port {port.id} and router {router.id} are of different projects"
        )
    if port.device_id and port.device_id != router.id:
        raise Conflict(
            "port.in_use",
            f"Unable to complete operation on port {port.id} for network {port.network_id}."
            f" Port already has an attached device {port.device_id}.",
        )
    if port.device_owner == INTERFACE and port.device_id == router.id:
        raise Conflict("port.in_use", f"Router {router.id} already has port {port.id}.")
    if not port.fixed_ips:
        raise Invalid("router.bad", "Bad router request: Router port must have at least one fixed IP")
    on = [await tx.need(SUBNETS, ip.subnet_id, "subnet") for ip in port.fixed_ips]
    if sum(subnet.ip_version == 4 for subnet in on) > 1:
        raise Invalid("router.bad", "Bad router request: Cannot have multiple IPv4 subnets on router port")
    for subnet in on:
        refuse_overlap(subnet, legs)
    # Like every port of the network's own, it obeys no groups.
    await tx.run("DELETE FROM port_security_groups WHERE port_id = ?", port.id)
    port = await tx.update(
        PORTS,
        port,
        device_id=router.id,
        device_owner=INTERFACE,
        security_groups=(),
        port_security_enabled=False,
        allowed_address_pairs=(),
        updated_at=tx.clock.now(),
    )
    return Attached(router, port, tuple(subnet.id for subnet in on))


async def _add_subnet(tx: Tx, caller: Caller, router: Router, legs: Sequence[Subnet], subnet_id: str) -> Attached:
    subnet = await subnets.visible(tx, caller, subnet_id)
    network = await networks.visible(tx, caller, subnet.network_id)
    if subnet.gateway_ip is None:
        raise Invalid("router.bad", "Bad router request: Subnet for router interface must have a gateway IP")
    if not (caller.owns(network.project_id) or caller.is_operator):
        raise Forbidden(
            "policy.forbidden",
            f"Who takes the gateway address of subnet {subnet.id} has all that leaves it, and it belongs to another"
            " project: make a port on it, and add that.",
        )
    if any(leg.id == subnet.id for leg in legs):
        raise Invalid("router.bad", f"Bad router request: Router already has a port on subnet {subnet.id}.")
    refuse_overlap(subnet, legs)
    if subnet.ip_version == 6:
        shared = await _ipv6_leg(tx, router, network.id)
        if shared is not None:
            return Attached(router, await _widen(tx, network, shared, subnet), (subnet.id,))
    port = await ports.make(
        tx,
        network,
        router.project_id,
        PortCreate(
            network_id=network.id,
            device_id=router.id,
            device_owner=INTERFACE,
            fixed_ips=(FixedIpAsked(subnet.id, subnet.gateway_ip),),
        ),
    )
    return Attached(router, port, (subnet.id,))


async def _ipv6_leg(tx: Tx, router: Router, network_id: str) -> Port | None:
    """One port carries all IPv6 subnets of a network."""
    for port in (await interfaces(tx, [router]))[router.id]:
        if port.network_id == network_id and all(":" in ip.ip_address for ip in port.fixed_ips):
            return port
    return None


async def _widen(tx: Tx, network: networks.Network, port: Port, subnet: Subnet) -> Port:
    on = await subnets.of_network(tx, network.id)
    seeker = Seeker(tx, network, on, port_id=port.id, mac=port.mac_address, owner=INTERFACE)
    wishes = [FixedIpAsked(ip.subnet_id, ip.ip_address) for ip in port.fixed_ips]
    found = await seeker.asked([*wishes, FixedIpAsked(subnet.id, subnet.gateway_ip)], port.fixed_ips)
    return await tx.update(PORTS, port, fixed_ips=found, updated_at=tx.clock.now())


async def remove_interface(tx: Tx, router: Router, subnet_id: str | None, port_id: str | None) -> Attached:
    if subnet_id is None and port_id is None:
        raise Invalid("router.bad", "Bad router request: Either subnet_id or port_id must be specified.")
    port = await _leg(tx, router, subnet_id, port_id)
    gone = [ip for ip in port.fixed_ips if port_id is not None or ip.subnet_id == subnet_id]
    for ip in gone:
        await _leg_unused(tx, router, ip.subnet_id)
    if len(gone) == len(port.fixed_ips):
        await ports.remove(tx, port)
    else:
        await addresses.free(tx, port.id, gone)
        left = tuple(ip for ip in port.fixed_ips if ip not in gone)
        await tx.update(PORTS, port, fixed_ips=left, updated_at=tx.clock.now())
    written = await tx.update(ROUTERS, router, updated_at=later(tx, router))
    return Attached(written, port, tuple(ip.subnet_id for ip in gone))


async def _leg(tx: Tx, router: Router, subnet_id: str | None, port_id: str | None) -> Port:
    for port in (await interfaces(tx, [router]))[router.id]:
        on = [ip.subnet_id for ip in port.fixed_ips]
        if port_id is not None and port.id == port_id:
            if subnet_id is not None and subnet_id not in on:
                raise Conflict(
                    "subnet.port_mismatch",
                    f"Subnet on port {port_id} does not match the requested subnet {subnet_id}.",
                )
            return port
        if port_id is None and subnet_id in on:
            return port
    if port_id is not None:
        raise NotFound("router_interface.absent", f"Router {router.id} does not have an interface with id {port_id}")
    raise NotFound("router_interface.absent_for_subnet", f"Router {router.id} has no interface on subnet {subnet_id}")


async def _leg_unused(tx: Tx, router: Router, subnet_id: str) -> None:
    rows = await tx.rows("SELECT port_id, fixed_ip_address FROM floating_ips WHERE router_id = ?", router.id)
    subnet = await tx.need(SUBNETS, subnet_id, "subnet")
    block = network_of(subnet.cidr)
    for port_id, fixed_ip in rows:
        on = await tx.row("SELECT 1 FROM addresses WHERE subnet_id = ? AND port_id = ?", subnet_id, port_id)
        if on is not None and fixed_ip and parsed(str(fixed_ip)) in block:
            raise Conflict(
                "router_interface.in_use",
                f"Router interface for subnet {subnet_id} on router {router.id} cannot be deleted,"
                " as it is required by one or more floating IPs.",
            )
    for route in router.routes:
        if parsed(route.nexthop) in block:
            raise Conflict(
                "router_interface.in_use_by_route",
                f"Router interface for subnet {subnet_id} on router {router.id} cannot be deleted,"
                " as it is required by one or more routes.",
            )
