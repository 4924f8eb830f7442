"""Floating IPs: an address of an external network that leads to a port inside, through a router.

Its address is held by a port of its own on the external network. `status` is written by
controllers/network/networks.py once the router has been told.
"""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies, tags
from trivet.domain.network.addresses import FixedIp
from trivet.domain.network.groups import security_groups
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.subnets import of_network
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.addresses import FixedIpAsked
from trivet.domain.network.ports.ports import PORTS, Port
from trivet.domain.network.ports.wishes import PortCreate
from trivet.domain.network.routers.routers import INTERFACE
from trivet.domain.network.words import Id, Text
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

OWNER = "network:floatingip"


class FloatingIp(Record, frozen=True, kw_only=True):
    project_id: str
    description: str = ""
    floating_network_id: str
    floating_ip_address: str
    floating_port_id: str
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None
    status: Literal["ACTIVE", "DOWN"] = "DOWN"
    dns_name: str = ""
    dns_domain: str = ""
    tags: tuple[str, ...] = ()
    created_at: float
    updated_at: float


FLOATING_IPS = Table("floating_ips", FloatingIp)


class FloatingIpCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    floating_network_id: Id
    port_id: Id | None = None
    fixed_ip_address: Text | None = None
    floating_ip_address: Text | UnsetType | None = UNSET
    subnet_id: Id | None = None
    description: Text = ""
    dns_name: Text = ""
    dns_domain: Text = ""
    qos_policy_id: None = None


class FloatingIpUpdate(Struct, frozen=True, kw_only=True):
    port_id: Id | UnsetType | None = UNSET
    fixed_ip_address: Text | UnsetType | None = UNSET
    description: Text | UnsetType = UNSET


class Target(Struct, frozen=True):
    """The port and fixed address that a floating IP leads to."""

    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None


async def visible(tx: Tx, caller: Caller, id: str) -> FloatingIp:
    floating = await tx.get(FLOATING_IPS, id)
    if floating is None or not caller.may_see(floating.project_id):
        raise NotFound("floating_ip.absent", f"Floating IP {id} could not be found")
    return floating


async def own(tx: Tx, caller: Caller, id: str, what: str) -> FloatingIp:
    floating = await visible(tx, caller, id)
    rbac_policies.must_own(caller, floating.project_id, what)
    return floating


async def create(tx: Tx, caller: Caller, wanted: FloatingIpCreate) -> FloatingIp:
    rbac_policies.operator_only(caller, "create_floatingip:floating_ip_address", wanted.floating_ip_address or UNSET)
    project_id = rbac_policies.owner(caller, wanted.project_id)
    network = await networks.visible(tx, caller, wanted.floating_network_id)
    if not network.external:
        raise Invalid(
            "floating_ip.bad", f"Bad floatingip request: Network {network.id} is not a valid external network."
        )
    await security_groups.default_id(tx, project_id)
    id = tx.ids.uuid()
    target = Target()
    if wanted.port_id:
        target = await _target(
            tx, caller, wanted.port_id, wanted.fixed_ip_address, project_id=project_id, network_id=network.id
        )
    elif wanted.fixed_ip_address:
        raise Invalid(
            "floating_ip.bad", "Bad floatingip request: fixed_ip_address cannot be specified without a port_id."
        )
    outside = await ports.make(
        tx,
        network,
        "",
        PortCreate(
            network_id=network.id,
            device_id=id,
            device_owner=OWNER,
            fixed_ips=(await _wish(tx, network.id, wanted),),
        ),
        status="N/A",
    )
    now = tx.clock.now()
    floating = FloatingIp(
        id=id,
        project_id=project_id,
        description=wanted.description,
        floating_network_id=network.id,
        floating_ip_address=outside.fixed_ips[0].ip_address,
        floating_port_id=outside.id,
        port_id=target.port_id,
        fixed_ip_address=target.fixed_ip_address,
        router_id=target.router_id,
        dns_name=wanted.dns_name,
        dns_domain=wanted.dns_domain,
        created_at=now,
        updated_at=now,
    )
    await tx.insert(FLOATING_IPS, floating)
    _tell(tx, target.router_id)
    quotas.at_end(tx, project_id, {"floatingip": 1})
    return floating


async def before_several(tx: Tx, caller: Caller, wishes: Sequence[FloatingIpCreate]) -> None:
    await security_groups.make_defaults(tx, caller, (wish.project_id for wish in wishes))
    await ports.hold(tx, (wish.floating_network_id for wish in wishes))
    for port_id in sorted({wish.port_id for wish in wishes if wish.port_id}):
        # A server that goes takes its ports with it in this order.
        await tx.run("UPDATE ports SET revision = revision WHERE id = ?", port_id)


async def update(tx: Tx, caller: Caller, floating: FloatingIp, wanted: FloatingIpUpdate) -> FloatingIp:
    changes: dict[str, Any] = {}
    if wanted.description is not UNSET:
        changes["description"] = wanted.description
    if wanted.port_id is not UNSET or wanted.fixed_ip_address is not UNSET:
        port_id = wanted.port_id if wanted.port_id is not UNSET else floating.port_id
        fixed_ip = wanted.fixed_ip_address if wanted.fixed_ip_address is not UNSET else None
        if port_id:
            target = await _target(
                tx,
                caller,
                port_id,
                fixed_ip,
                project_id=floating.project_id,
                network_id=floating.floating_network_id,
                floating_id=floating.id,
            )
        elif fixed_ip:
            raise Invalid(
                "floating_ip.bad", "Bad floatingip request: fixed_ip_address cannot be specified without a port_id."
            )
        else:
            target = Target()
        changes |= {
            "port_id": target.port_id,
            "fixed_ip_address": target.fixed_ip_address,
            "router_id": target.router_id,
        }
        if (target.port_id, target.fixed_ip_address) != (floating.port_id, floating.fixed_ip_address):
            changes["status"] = "DOWN"
        _tell(tx, floating.router_id)
        _tell(tx, target.router_id)
    return await tx.update(FLOATING_IPS, floating, updated_at=tx.clock.now(), **changes)


async def delete(tx: Tx, floating: FloatingIp) -> None:
    await tags.forget(tx, "floating_ips", floating)
    await tx.delete(FLOATING_IPS, floating)
    await ports.remove(tx, await tx.need(PORTS, floating.floating_port_id, "port"))
    _tell(tx, floating.router_id)
    quotas.at_end(tx, floating.project_id, {"floatingip": -1})


async def drop_unused(tx: Tx, network_id: str) -> None:
    """Deletes the floating IPs of a network that lead nowhere; they go with it."""
    where = Where().equal("floating_network_id", network_id).add("port_id IS NULL")
    for floating in await tx.select(FLOATING_IPS, where):
        await delete(tx, floating)


def _tell(tx: Tx, router_id: str | None) -> None:
    """The router's row stays as it is, but what it must do does not."""
    if router_id:
        tx.note(Change("routers", router_id, "updated", 0))


async def _wish(tx: Tx, network_id: str, wanted: FloatingIpCreate) -> FixedIpAsked:
    """An IPv4 address, whatever else the network has."""
    address = wanted.floating_ip_address
    if address is not UNSET and address:
        return FixedIpAsked(wanted.subnet_id, address)
    if wanted.subnet_id:
        return FixedIpAsked(wanted.subnet_id)
    on = [subnet for subnet in await of_network(tx, network_id) if subnet.ip_version == 4]
    if not on:
        raise Invalid(
            "floating_ip.bad", f"Bad floatingip request: Network {network_id} does not contain any IPv4 subnet."
        )
    for subnet in on:
        row = await tx.row(
            "SELECT 1 FROM allocation_pools WHERE subnet_id = ? AND next < size UNION ALL"
            " SELECT 1 FROM freed_addresses WHERE subnet_id = ? LIMIT 1",
            subnet.id,
            subnet.id,
        )
        if row is not None:
            return FixedIpAsked(subnet.id)
    return FixedIpAsked(on[0].id)


async def _target(
    tx: Tx,
    caller: Caller,
    port_id: str,
    fixed_ip: str | None,
    *,
    project_id: str,
    network_id: str,
    floating_id: str = "",
) -> Target:
    port = await ports.visible(tx, caller, port_id)
    if port.project_id != project_id and not caller.is_operator:
        raise Invalid(
            "floating_ip.bad",
            f"Bad floatingip request: Cannot process floating IP association with port {port.id}, since that port is"
            " owned by a different project.",
        )
    address = _inside_address(port, fixed_ip)
    taken = await tx.row(
        "SELECT id, floating_ip_address FROM floating_ips WHERE port_id = ? AND fixed_ip_address = ?"
        " AND floating_network_id = ? AND id <> ?",
        port.id,
        address.ip_address,
        network_id,
        floating_id,
    )
    if taken is not None:
        raise Conflict(
            "floating_ip.port_taken",
            f"Cannot associate floating IP with port {port.id} using fixed IP {address.ip_address}, as that fixed IP"
            f" already has a floating IP on external network {network_id}.",
        )
    router = await tx.row(
        "SELECT r.id FROM addresses a JOIN ports p ON p.id = a.port_id AND p.device_owner = ?"
        " JOIN routers r ON r.id = p.device_id AND r.project_id = p.project_id AND r.gateway_network_id = ?"
        " WHERE a.subnet_id = ?"
        " ORDER BY r.created_at, r.id LIMIT 1",
        INTERFACE,
        network_id,
        address.subnet_id,
    )
    if router is None:
        raise NotFound(
            "floating_ip.unreachable",
            f"External network {network_id} is not reachable from subnet {address.subnet_id}."
            f" Therefore, cannot associate Port {port.id} with a Floating IP.",
        )
    return Target(port.id, address.ip_address, str(router[0]))


def _inside_address(port: Port, fixed_ip: str | None) -> FixedIp:
    four = [ip for ip in port.fixed_ips if ":" not in ip.ip_address]
    if fixed_ip:
        for ip in four:
            if ip.ip_address == fixed_ip:
                return ip
        raise Invalid("floating_ip.bad", f"Bad floatingip request: Port {port.id} does not have fixed ip {fixed_ip}.")
    if not four:
        raise Invalid(
            "floating_ip.bad",
            f"Bad floatingip request: Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses.",
        )
    if len(four) > 1:
        raise Invalid(
            "floating_ip.bad",
            f"Bad floatingip request: Port {port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4"
            " address when assigning a floating IP",
        )
    return four[0]


async def say_active(tx: Tx, ids: list[str]) -> None:
    """The router that leads to them was told."""
    where = Where().any_of("id", ids).add("status = 'DOWN' AND port_id IS NOT NULL")
    for floating in await tx.select(FLOATING_IPS, where) if ids else ():
        await tx.update(FLOATING_IPS, floating, status="ACTIVE", note="status")
