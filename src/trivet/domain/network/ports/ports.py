"""Ports: where something is plugged into a network, with its addresses.

A port's host says where it is plugged in; `status` is what the network's engine last said, and is written
by controllers/network/networks.py only (its events carry the detail `status`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import addresses, rbac_policies, tags
from trivet.domain.network.addresses import FixedIp
from trivet.domain.network.groups import security_groups
from trivet.domain.network.nets import networks, subnets
from trivet.domain.network.nets.networks import Network
from trivet.domain.network.nets.subnets import SUBNETS
from trivet.domain.network.ports import addresses as port_addresses
from trivet.domain.network.ports import devices
from trivet.domain.network.ports import wishes as port_wishes
from trivet.domain.network.ports import words as port_words
from trivet.domain.network.ports.addresses import Seeker
from trivet.domain.network.ports.wishes import PortCreate
from trivet.domain.network.ports.words import AddressPair, DhcpOption
from trivet.errors import Conflict, NotFound, Stale
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

Status = Literal["ACTIVE", "DOWN", "BUILD", "N/A"]
CARD = "baremetal"
"""The vnic_type of a port that is a physical machine's own card."""
OF_ROUTERS = ("network:router_interface", "network:router_gateway")
OF_THE_CLOUD = (*OF_ROUTERS, "network:floatingip", "network:ha_router_replicated_interface")
"""Not deleted through the port API: they belong to something that is."""


class Port(Record, frozen=True, kw_only=True):
    project_id: str
    network_id: str
    name: str = ""
    description: str = ""
    mac_address: str
    admin_state_up: bool = True
    status: Status = "DOWN"
    device_id: str = ""
    device_owner: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    security_groups: tuple[str, ...] = ()
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    extra_dhcp_opts: tuple[DhcpOption, ...] = ()
    host_id: str | None = None
    vnic_type: str = "normal"
    binding_profile: dict[str, Any] = {}
    dns_name: str = ""
    dns_domain: str = ""
    ip_allocation: str = "immediate"
    propagate_uplink_status: bool = True
    trusted: bool | None = None
    created_for_server: bool = False
    tags: tuple[str, ...] = ()
    created_at: float
    updated_at: float


PORTS = Table("ports", Port)


# -- looking


def seen_by(caller: Caller) -> Where:
    """One's own ports, and all ports on one's own networks."""
    if caller.may_see(None):
        return Where()
    project_id = caller.project_id or ""
    return Where().add(
        "(project_id = ? OR network_id IN (SELECT id FROM networks WHERE project_id = ?))", project_id, project_id
    )


async def visible(tx: Tx, caller: Caller, id: str) -> Port:
    port = await tx.get(PORTS, id)
    if port is not None and not caller.may_see(port.project_id):
        network = await tx.need(networks.NETWORKS, port.network_id, "network")
        if not caller.owns(network.project_id):
            port = None
    if port is None:
        raise NotFound("port.absent", f"Port {id} could not be found.")
    return port


async def of_server(tx: Tx, server_id: str, project_id: str) -> list[Port]:
    return (await of_servers(tx, {server_id: project_id})).get(server_id, [])


async def of_servers(tx: Tx, projects: Mapping[str, str]) -> dict[str, list[Port]]:
    """`projects`: whose each server is. A port of another project is none of its, whatever the port says."""
    found: dict[str, list[Port]] = {}
    if projects:
        for port in await tx.select(PORTS, Where().any_of("device_id", list(projects)), order="created_at, id"):
            if port.project_id == projects[port.device_id]:
                found.setdefault(port.device_id, []).append(port)
    return found


# -- acts


async def hold(tx: Tx, network_ids: Iterable[str]) -> None:
    """Before several ports are made: nobody else gets an address on these networks until the commit, and nobody who
    does the same on some of them meets us halfway."""
    on = await tx.select(SUBNETS, Where().any_of("network_id", sorted(set(network_ids))))
    await port_addresses.hold(tx, on)


async def create(tx: Tx, caller: Caller, wanted: PortCreate, *, for_server: bool = False) -> Port:
    """`for_server`: it goes when its server goes."""
    network = await networks.visible(tx, caller, wanted.network_id)
    project_id = rbac_policies.owner(caller, wanted.project_id)
    port_wishes.may_say(caller, network, wanted)
    await devices.may_say(tx, caller, project_id, wanted)
    if not (caller.owns(network.project_id) or caller.is_operator or await _is_shared(tx, caller, network)):
        raise NotFound("network.absent", f"Network {network.id} could not be found.")
    secure = wanted.port_security_enabled
    if secure is UNSET:
        secure = network.port_security_enabled
    groups = await port_wishes.groups(
        tx, caller, project_id, wanted.security_groups, wanted.device_owner, secure=secure
    )
    return await make(tx, network, project_id, wanted, groups=groups, secure=secure, for_server=for_server)


async def before_several(tx: Tx, caller: Caller, wishes: Sequence[PortCreate]) -> None:
    await security_groups.make_defaults(tx, caller, (wish.project_id for wish in wishes))
    await hold(tx, (wish.network_id for wish in wishes))


async def make(
    tx: Tx,
    network: Network,
    project_id: str,
    wanted: PortCreate,
    *,
    groups: tuple[str, ...] = (),
    secure: bool = False,
    for_server: bool = False,
    status: Status = "DOWN",
) -> Port:
    """Checked already; also how routers and floating IPs get theirs."""
    if project_id:
        quotas.at_end(tx, project_id, {"port": 1})
    id = tx.ids.uuid()
    pairs = port_words.pairs(wanted.allowed_address_pairs or (), secure=secure)
    options = port_words.dhcp_options(wanted.extra_dhcp_opts or ())
    mac = await port_words.mac(tx, network.id, wanted.mac_address or None)
    seeker = Seeker(
        tx, network, await subnets.of_network(tx, network.id), port_id=id, mac=mac, owner=wanted.device_owner
    )
    if wanted.fixed_ips is UNSET or wanted.fixed_ips is None:
        fixed_ips = await seeker.any()
    else:
        fixed_ips = await seeker.asked(wanted.fixed_ips)
    now = tx.clock.now()
    port = Port(
        id=id,
        project_id=project_id,
        network_id=network.id,
        name=wanted.name,
        description=wanted.description,
        mac_address=mac,
        admin_state_up=wanted.admin_state_up,
        status=status,
        device_id=wanted.device_id,
        device_owner=wanted.device_owner,
        fixed_ips=fixed_ips,
        security_groups=groups,
        port_security_enabled=secure,
        allowed_address_pairs=port_words.with_mac(pairs, mac),
        extra_dhcp_opts=options,
        host_id=wanted.host_id or None,
        vnic_type=wanted.vnic_type,
        binding_profile=wanted.binding_profile or {},
        dns_name=wanted.dns_name,
        dns_domain=wanted.dns_domain,
        propagate_uplink_status=wanted.propagate_uplink_status,
        trusted=None if wanted.trusted is UNSET else wanted.trusted,
        created_for_server=for_server,
        created_at=now,
        updated_at=now,
    )
    # A MAC that somebody has: all of it again, with another one.
    if not await tx.insert_new(PORTS, port):
        raise Stale("ports", port.id)
    await join(tx, port.id, groups)
    if wanted.tags:
        port = await tags.put(tx, PORTS, port, wanted.tags)
    return port


async def delete(tx: Tx, port: Port) -> None:
    """Deletes a port for its owner. Refused while the port is a router's or a floating IP's."""
    if port.device_owner in OF_THE_CLOUD and port.device_id:
        raise Conflict(
            "port.of_service",
            f"Port {port.id} cannot be deleted directly via the port API: has device owner {port.device_owner}.",
        )
    await remove(tx, port)


async def remove(tx: Tx, port: Port) -> None:
    """Whatever it is. Floating IPs that pointed at it point at nothing."""
    if port.project_id:
        quotas.at_end(tx, port.project_id, {"port": -1})
    await loosen_floating_ips(tx, port.id)
    await tx.run("DELETE FROM port_security_groups WHERE port_id = ?", port.id)
    await addresses.free(tx, port.id, port.fixed_ips)
    await tags.forget(tx, "ports", port)
    await tx.delete(PORTS, port)


async def bind(tx: Tx, port: Port, *, server_id: str, host_id: str | None, zone: str, card: str | None = None) -> Port:
    """Plug it into a server; also again, when the server moves to another host. `card`: the MAC of the physical card
    that it is from now on."""
    if port.device_id and port.device_id != server_id:
        raise Conflict("port.in_use", f"Port {port.id} is still in use.")
    return await tx.update(
        PORTS,
        port,
        device_id=server_id,
        device_owner=f"compute:{zone}",
        host_id=host_id,
        status="DOWN" if host_id != port.host_id else port.status,
        updated_at=tx.clock.now(),
        **({"mac_address": card, "vnic_type": CARD} if card is not None else {}),
    )


async def unplug(tx: Tx, port: Port) -> None:
    """A server lets go of it: deleted if it was made for the server, else free for others."""
    if port.created_for_server:
        await remove(tx, port)
        return
    # A card stays with its machine, and another server's port has its MAC next.
    own = {"mac_address": await port_words.mac(tx, port.network_id, None), "vnic_type": "normal"}
    await tx.update(
        PORTS,
        port,
        device_id="",
        device_owner="",
        host_id=None,
        status="DOWN",
        updated_at=tx.clock.now(),
        **(own if port.vnic_type == CARD and port.host_id is not None else {}),
    )


async def release(tx: Tx, server_id: str, project_id: str) -> None:
    """The server is gone."""
    for port in sorted(await of_server(tx, server_id, project_id), key=lambda port: port.id):
        await unplug(tx, port)


async def say_up(tx: Tx, up: Sequence[str], down: Sequence[str]) -> None:
    """What the engine says about ports, in one go."""
    for status, ids in (("ACTIVE", up), ("DOWN", down)):
        where = Where().any_of("id", ids).add("status NOT IN (?, 'N/A')", status)
        for port in await tx.select(PORTS, where) if ids else ():
            await tx.update(PORTS, port, status=status, note="status")


async def differ(tx: Tx, up: Sequence[str], down: Sequence[str]) -> bool:
    """The engine says something else than the rows."""
    for status, ids in (("ACTIVE", up), ("DOWN", down)):
        inside = Where().any_of("id", ids).add("status NOT IN (?, 'N/A')", status)
        if ids and await tx.row(f"SELECT 1 FROM ports{inside.sql} LIMIT 1", *inside.values) is not None:
            return True
    return False


# -- parts of acts


async def _is_shared(tx: Tx, caller: Caller, network: Network) -> bool:
    """External alone is not enough to plug in."""
    return network.id in await rbac_policies.shared_with(tx, caller, "network", network.id)


async def join(tx: Tx, port_id: str, groups: Sequence[str]) -> None:
    for group_id in groups:
        await tx.run("INSERT INTO port_security_groups (port_id, group_id) VALUES (?, ?)", port_id, group_id)


async def loosen_floating_ips(tx: Tx, port_id: str, fixed_ips: set[str] | None = None) -> None:
    rows = await tx.rows(
        "SELECT id, router_id, fixed_ip_address, revision, project_id FROM floating_ips WHERE port_id = ?", port_id
    )
    for id, router_id, fixed_ip, revision, project_id in rows:
        if fixed_ips is not None and fixed_ip not in fixed_ips:
            continue
        await tx.run(
            "UPDATE floating_ips SET port_id = NULL, fixed_ip_address = NULL, router_id = NULL, status = 'DOWN',"
            " revision = revision + 1, updated_at = ? WHERE id = ?",
            tx.clock.now(),
            str(id),
        )
        tx.note(Change("floating_ips", str(id), "updated", int(revision) + 1, project_id=str(project_id)))
        if router_id:
            tx.note(Change("routers", str(router_id), "updated", 0))
