"""Server NICs: which ports a server gets, from what its creator said about networks.

Everything is checked before a host is claimed, so that a bad network costs nothing; the ports themselves
are made and bound in the same transaction, once the host is known.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET

from trivet.domain.callers import Caller
from trivet.domain.network import rbac_policies
from trivet.domain.network.groups import security_groups
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.addresses import FixedIpAsked
from trivet.domain.network.ports.ports import Port
from trivet.domain.network.ports.wishes import PortCreate
from trivet.domain.network.routers import auto_allocated_topologies
from trivet.domain.servers import cards
from trivet.domain.servers.servers import Server
from trivet.errors import Conflict, Forbidden, InTheWay, Invalid, NotFound, Stale
from trivet.ids import is_uuid
from trivet.store.tx import Tx
from trivet.store.where import Where


class NicWanted(msgspec.Struct, frozen=True, kw_only=True):
    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


NicsWanted = tuple[NicWanted, ...] | Literal["auto", "none"]


class Nic(msgspec.Struct, frozen=True, kw_only=True):
    """A wish that was checked: one of port and network is there, unless the network is still to be made."""

    port: Port | None = None
    network: Network | None = None
    fixed_ip: str | None = None
    tag: str | None = None


async def plan(tx: Tx, caller: Caller, wanted: NicsWanted, count: int) -> list[Nic]:
    if wanted == "none":
        return []
    if wanted == "auto" or not wanted:
        return await _own_network(tx, caller, auto=wanted == "auto")
    assert not isinstance(wanted, str)
    if count > 1 and any(nic.port_id for nic in wanted):
        raise Invalid("server.port_shared", "Unable to launch multiple instances with a single configured port ID.")
    if count > 1 and any(nic.fixed_ip for nic in wanted):
        raise Invalid(
            "server.address_shared", "Failed to launch instances: max_count must be 1 if a fixed_ip is given."
        )
    seen: set[str] = set()
    found = []
    for nic in wanted:
        if nic.port_id is not None:
            if nic.port_id in seen:
                raise Invalid(
                    "server.port_twice",
                    f"Port ID '{nic.port_id}' was specified twice: you cannot attach a port multiple times.",
                )
            seen.add(nic.port_id)
        found.append(await check(tx, caller, nic, caller.project_id))
    return found


async def check(tx: Tx, caller: Caller, wanted: NicWanted, project_id: str | None) -> Nic:
    """`project_id`: the server's; a port of another project is none for it."""
    if wanted.port_id is not None:
        if wanted.fixed_ip is not None:
            raise Invalid(
                "server.port_and_address",
                f"Specified Fixed IP '{wanted.fixed_ip}' cannot be used with port '{wanted.port_id}': the two cannot "
                "be specified together.",
            )
        return Nic(port=await _free_port(tx, caller, wanted.port_id, project_id), tag=wanted.tag)
    if wanted.network_id is None or not is_uuid(wanted.network_id):
        raise Invalid(
            "network.malformed", f"Bad networks format: network uuid is not in proper format ({wanted.network_id})"
        )
    return Nic(network=await _usable(tx, caller, wanted.network_id), fixed_ip=wanted.fixed_ip, tag=wanted.tag)


async def _free_port(tx: Tx, caller: Caller, port_id: str, project_id: str | None) -> Port:
    try:
        port = await ports.visible(tx, caller, port_id)
    except NotFound as error:
        raise Invalid(error.code, f"Port {port_id} could not be found.") from error
    if port.project_id != project_id:
        raise Invalid("port.not_usable", f"Port {port_id} not usable: it is not of the server's project.")
    if port.device_id:
        raise Conflict("port.in_use", f"Port {port_id} is still in use.")
    if not port.fixed_ips and port.ip_allocation != "none":
        raise Invalid("port.addressless", f"Port {port_id} requires a FixedIP in order to be used.")
    return port


async def _usable(tx: Tx, caller: Caller, network_id: str) -> Network:
    try:
        network = await networks.visible(tx, caller, network_id)
    except NotFound as error:
        raise Invalid(error.code, f"Network {network_id} could not be found.") from error
    return await _pluggable(tx, caller, network)


async def _pluggable(tx: Tx, caller: Caller, network: Network) -> Network:
    foreign = network.external and not caller.is_operator and not caller.owns(network.project_id)
    if foreign and network.id not in await rbac_policies.shared_with(tx, caller, "network", network.id):
        raise Forbidden(
            "network.external", f"It is not allowed to create an interface on external network {network.id}"
        )
    if not network.subnets:
        raise Invalid("network.no_subnet", f"Network {network.id} requires a subnet in order to boot instances on.")
    return network


async def _own_network(tx: Tx, caller: Caller, *, auto: bool) -> list[Nic]:
    found = await networks.for_servers(tx, caller)
    if len(found) > 1:
        raise Conflict(
            "network.ambiguous",
            "Multiple possible networks found, use a Network ID to be more specific.",
        )
    if not found and auto:
        return [Nic()]
    if not found:
        return []
    return [Nic(network=await _pluggable(tx, caller, found[0]))]


async def with_networks(tx: Tx, caller: Caller, nics: list[Nic]) -> list[Nic]:
    """The networks of a plan, found or made once the server has its place on a host."""
    return [
        msgspec.structs.replace(nic, network=await _allocated(tx, caller))
        if nic.network is None and nic.port is None
        else nic
        for nic in nics
    ]


async def _allocated(tx: Tx, caller: Caller) -> Network:
    """The network that is made for a project which has none and asks for one."""
    try:
        topology = await auto_allocated_topologies.ensure(tx, caller, caller.project_id or "")
    except (Stale, InTheWay):
        raise  # A race that was lost: all of this runs again.
    except (Conflict, NotFound) as error:
        raise Invalid(
            "network.none", f"Unable to automatically allocate a network: {error.message} Make one, or ask for none."
        ) from error
    return await tx.need(NETWORKS, topology.network_id, "network")


async def groups(tx: Tx, caller: Caller, names: Sequence[str]) -> tuple[str, ...]:
    """The ids of security groups of the caller's project that are given by name or id."""
    found: list[str] = []
    for name in names:
        where = Where().equal("project_id", caller.project_id).add("(name = ? OR id = ?)", name, name)
        ids = [group.id for group in await tx.select(security_groups.SECURITY_GROUPS, where, limit=2)]
        if len(ids) > 1:
            raise Conflict("security_group.ambiguous", f"Multiple security groups found matching '{name}'. Use an ID.")
        if not ids and name == security_groups.DEFAULT and caller.project_id is not None:
            ids = [(await security_groups.default_of(tx, caller.project_id)).id]
        if not ids:
            raise Invalid("security_group.absent", f"Security group {name} not found.")
        found += ids
    return tuple(dict.fromkeys(found))


async def attach(
    tx: Tx, caller: Caller, server: Server, nic: Nic, *, group_ids: tuple[str, ...] | None, zone: str
) -> Port:
    """Make the port if it is not there yet, and bind it to the server and its host."""
    port = nic.port
    if port is None:
        assert nic.network is not None
        wanted = PortCreate(
            network_id=nic.network.id,
            project_id=server.project_id if caller.is_operator else UNSET,
            fixed_ips=(FixedIpAsked(ip_address=nic.fixed_ip),) if nic.fixed_ip is not None else UNSET,
            security_groups=UNSET if group_ids is None or not nic.network.port_security_enabled else group_ids,
        )
        try:
            port = await ports.create(tx, caller, wanted, for_server=True)
        except NotFound as error:
            raise Invalid(error.code, error.message) from error
    return await cards.bind(tx, server, port, host_id=server.host_id, zone=zone)
