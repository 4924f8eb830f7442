"""Server plugs: ports that are added to and taken from a server that exists, and the groups they are in.

The rows change at once; the agent sees that the wires of the server are others, and follows.
"""

from typing import Any

from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.network.nets import networks
from trivet.domain.network.ports import changes as port_changes
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.addresses import FixedIpAsked
from trivet.domain.network.ports.ports import Port
from trivet.domain.network.ports.wishes import PortUpdate
from trivet.domain.network.routers import floating_ips
from trivet.domain.network.routers.floating_ips import FLOATING_IPS, FloatingIp, FloatingIpUpdate
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import nics as server_nics
from trivet.domain.servers import wishes
from trivet.domain.servers.actions import Call
from trivet.domain.servers.nics import NicWanted
from trivet.domain.servers.rules import ready
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import Conflict, InTheWay, Invalid, NotFound, Stale
from trivet.store.tx import Tx

_STATES = ("active", "paused", "stopped")


async def attach(tx: Tx, call: Call, id: str, wanted: NicWanted) -> tuple[Server, Port]:
    server = await ready(tx, call, id, "attach interface", method="attach_interface", states=_STATES)
    host = await tx.get(HOSTS, server.host_id) if server.host_id else None
    if wanted.network_id is None and wanted.port_id is None:
        nics = await server_nics.plan(tx, call.caller, (), 1)
        if not nics:
            raise Invalid("network.none", "No network could be chosen for the interface: name one.")
        nic = nics[0]
    else:
        nic = await server_nics.check(tx, call.caller, wanted, server.project_id)
    if nic.port is not None and (why := wishes.unmet_port(nic.port)) is not None:
        raise Invalid("port.unmet", why)
    port = await server_nics.attach(
        tx, call.caller, server, nic, group_ids=None, zone=(host.zone if host else None) or DEFAULT_ZONE
    )
    changes: dict[str, Any] = {}
    if wanted.tag is not None:
        changes["nic_tags"] = server.nic_tags | {port.id: wanted.tag}
    return await _changed(tx, call, server, "attach_interface", **changes), port


async def detach(tx: Tx, call: Call, id: str, port_id: str) -> Server:
    server = await ready(tx, call, id, "detach interface", method="detach_interface", states=_STATES)
    port = await plugged(tx, server, port_id)
    await ports.unplug(tx, port)
    tags = {id: tag for id, tag in server.nic_tags.items() if id != port_id}
    return await _changed(tx, call, server, "detach_interface", nic_tags=tags)


async def plugged(tx: Tx, server: Server, port_id: str) -> Port:
    port = await tx.get(ports.PORTS, port_id)
    if port is None or (port.device_id, port.project_id) != (server.id, server.project_id):
        raise NotFound("port.absent", f"Instance {server.id} does not have a port with id {port_id[:64]}")
    return port


async def _ports_of(tx: Tx, server: Server) -> list[Port]:
    return await ports.of_server(tx, server.id, server.project_id)


async def add_group(tx: Tx, call: Call, id: str, name: str) -> None:
    server = await ready(tx, call, id, "addSecurityGroup", tasks=None)
    group_id = await _group(tx, call, name)
    for port in await _ports_of(tx, server):
        if port.port_security_enabled and group_id not in port.security_groups:
            wanted = PortUpdate(security_groups=(*port.security_groups, group_id))
            await port_changes.update(tx, call.caller, port, wanted)


async def remove_group(tx: Tx, call: Call, id: str, name: str) -> None:
    server = await ready(tx, call, id, "removeSecurityGroup", tasks=None)
    group_id = await _group(tx, call, name)
    holders = [port for port in await _ports_of(tx, server) if group_id in port.security_groups]
    if not holders:
        raise NotFound(
            "security_group.not_on_server", f"Security group {name} not associated with the instance {server.id}"
        )
    for port in holders:
        kept = tuple(group for group in port.security_groups if group != group_id)
        await port_changes.update(tx, call.caller, port, PortUpdate(security_groups=kept))


async def _group(tx: Tx, call: Call, name: str) -> str:
    try:
        return (await server_nics.groups(tx, call.caller, (name,)))[0]
    except Invalid as error:
        raise NotFound(error.code, error.message) from error


async def add_fixed_ip(tx: Tx, call: Call, id: str, network_id: str) -> None:
    """One more address on the server's port in that network."""
    server = await ready(tx, call, id, "addFixedIp", tasks=None)
    port = next(
        (port for port in await _ports_of(tx, server) if port.network_id == network_id),
        None,
    )
    network = await tx.get(networks.NETWORKS, network_id)
    if port is None or network is None or not network.subnets:
        raise Invalid("network.not_on_server", f"Instance {server.id} has no port in network {network_id[:64]}.")
    more = FixedIpAsked(subnet_id=port.fixed_ips[0].subnet_id if port.fixed_ips else network.subnets[0])
    await _readdress(tx, call, port, (*_kept(port), more))
    await _changed(tx, call, server, "addFixedIp")


async def remove_fixed_ip(tx: Tx, call: Call, id: str, address: str) -> None:
    server = await ready(tx, call, id, "removeFixedIp", tasks=None)
    for port in await _ports_of(tx, server):
        if address in (ip.ip_address for ip in port.fixed_ips):
            await _readdress(tx, call, port, _kept(port, address))
            await _changed(tx, call, server, "removeFixedIp")
            return
    raise Invalid("address.not_on_server", f"Fixed IP {address[:64]} is not on instance {server.id}.")


def _kept(port: Port, without: str = "") -> tuple[FixedIpAsked, ...]:
    return tuple(FixedIpAsked(ip.subnet_id, ip.ip_address) for ip in port.fixed_ips if ip.ip_address != without)


async def _readdress(tx: Tx, call: Call, port: Port, fixed_ips: tuple[FixedIpAsked, ...]) -> None:
    await port_changes.update(tx, call.caller, port, PortUpdate(fixed_ips=fixed_ips))


async def add_floating_ip(tx: Tx, call: Call, id: str, address: str, fixed_ip: str | None) -> None:
    server = await ready(tx, call, id, "addFloatingIp", tasks=None)
    floating = await _floating(tx, call, address)
    held = [
        (port, ip.ip_address)
        for port in await _ports_of(tx, server)
        for ip in port.fixed_ips
        if ":" not in ip.ip_address and fixed_ip in (None, ip.ip_address)
    ]
    if not held:
        raise Invalid("floating_ip.no_fixed", "No fixed IPs associated to instance")
    port, ip = held[0]
    wanted = FloatingIpUpdate(port_id=port.id, fixed_ip_address=ip)
    try:
        await floating_ips.update(tx, call.caller, floating, wanted)
    except (Stale, InTheWay):
        raise  # A race that was lost: all of this runs again.
    except Conflict as error:
        raise Invalid(error.code, f"Floating IP {address} cannot be associated: {error.message}") from error


async def remove_floating_ip(tx: Tx, call: Call, id: str, address: str) -> None:
    server = await ready(tx, call, id, "removeFloatingIp", tasks=None)
    floating = await _floating(tx, call, address)
    if floating.port_id not in {port.id for port in await _ports_of(tx, server)}:
        raise Conflict(
            "floating_ip.not_on_server", f"Floating IP {address} is not associated with instance {server.id}."
        )
    await floating_ips.update(tx, call.caller, floating, FloatingIpUpdate(port_id=None))


async def _floating(tx: Tx, call: Call, address: str) -> FloatingIp:
    found = await tx.find(FLOATING_IPS, "floating_ip_address = ?", address)
    if found is None or not call.caller.may_see(found.project_id):
        raise NotFound("floating_ip.absent", f"Floating IP not found for address {address[:64]}.")
    return found


async def _changed(tx: Tx, call: Call, server: Server, action: str, **changes: Any) -> Server:
    """The server's row is written in any case: that is what tells its agent to look."""
    server = await tx.update(SERVERS, server, updated_at=tx.clock.now(), **changes)
    await server_actions.begin(tx, call, server, action, done=True)
    return server
