"""Subnets: the addresses of a network, and what its guests are told about the world.

`cidr`, `gateway_ip` and the pools are kept in their shortest spelling, so equal addresses are equal texts.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import addresses, rbac_policies, tags
from trivet.domain.network.addresses import Pool, block_of, network_of, parsed
from trivet.domain.network.nets import networks, subnet_blocks, subnet_pools
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.words import Id, Number, Text
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_SERVICE_TYPES_MAX = 20
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    destination: Text
    nexthop: Text

    def parsed(self) -> "Route":
        """A block in its shortest spelling. Engines get only this, never a text that was not parsed."""
        return Route(str(block_of(self.destination)), str(parsed(self.nexthop)))


class Subnet(Record, frozen=True, kw_only=True):
    project_id: str
    network_id: str
    name: str = ""
    description: str = ""
    ip_version: int = 4
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    ipv6_ra_mode: Ipv6Mode | None = None
    ipv6_address_mode: Ipv6Mode | None = None
    allocation_pools: tuple[Pool, ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[Route, ...] = ()
    service_types: tuple[str, ...] = ()
    subnetpool_id: str | None = None
    segment_id: str | None = None
    dns_publish_fixed_ip: bool = False
    tags: tuple[str, ...] = ()
    created_at: float
    updated_at: float

    @property
    def self_addressed(self) -> bool:
        """Hosts make their own address from their MAC."""
        return self.ipv6_address_mode in ("slaac", "dhcpv6-stateless")


SUBNETS = Table("subnets", Subnet)


class SubnetCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    network_id: Id
    name: Text = ""
    description: Text = ""
    ip_version: Number | UnsetType = UNSET
    cidr: Text | UnsetType | None = UNSET
    gateway_ip: Text | UnsetType | None = UNSET
    enable_dhcp: bool = True
    ipv6_ra_mode: Ipv6Mode | UnsetType | None = UNSET
    ipv6_address_mode: Ipv6Mode | UnsetType | None = UNSET
    allocation_pools: tuple[Pool, ...] | UnsetType | None = UNSET
    dns_nameservers: tuple[Text, ...] | UnsetType | None = UNSET
    host_routes: tuple[Route, ...] | UnsetType | None = UNSET
    service_types: Annotated[tuple[Text, ...], msgspec.Meta(max_length=_SERVICE_TYPES_MAX)] | UnsetType = UNSET
    subnetpool_id: Id | UnsetType | None = UNSET
    use_default_subnetpool: bool = False
    prefixlen: Number | UnsetType = UNSET
    segment_id: Id | UnsetType | None = UNSET
    dns_publish_fixed_ip: bool = False


class SubnetUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    gateway_ip: Text | UnsetType | None = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    allocation_pools: tuple[Pool, ...] | UnsetType = UNSET
    dns_nameservers: tuple[Text, ...] | UnsetType = UNSET
    host_routes: tuple[Route, ...] | UnsetType = UNSET
    service_types: Annotated[tuple[Text, ...], msgspec.Meta(max_length=_SERVICE_TYPES_MAX)] | UnsetType = UNSET
    segment_id: Id | UnsetType | None = UNSET
    dns_publish_fixed_ip: bool | UnsetType = UNSET


def seen_by(caller: Caller) -> Where:
    """One's own and those of shared networks; an external network alone does not show its subnets."""
    if caller.may_see(None):
        return Where()
    project_id = caller.project_id or ""
    return Where().add(
        "(project_id = ? OR network_id IN (SELECT object_id FROM rbac_policies WHERE object_type = 'network'"
        " AND action = 'access_as_shared' AND target_tenant IN ('*', ?)))",
        project_id,
        project_id,
    )


async def visible(tx: Tx, caller: Caller, id: str) -> Subnet:
    subnet = await tx.get(SUBNETS, id)
    if subnet is None or not (
        caller.may_see(subnet.project_id) or await rbac_policies.shared_with(tx, caller, "network", subnet.network_id)
    ):
        raise NotFound("subnet.absent", f"Subnet {id} could not be found.")
    return subnet


async def own(tx: Tx, caller: Caller, id: str, what: str) -> Subnet:
    subnet = await visible(tx, caller, id)
    rbac_policies.must_own(caller, subnet.project_id, what)
    return subnet


async def of_network(tx: Tx, network_id: str) -> list[Subnet]:
    return await tx.select(SUBNETS, Where().equal("network_id", network_id), order="created_at, id")


async def before_several(tx: Tx, caller: Caller, wishes: Sequence[SubnetCreate]) -> None:
    """Held: what they are cut from, and then the networks that they will be on."""
    await hold_pools(tx, wishes)
    await networks.hold(tx, (wish.network_id for wish in wishes))


async def hold_pools(tx: Tx, wishes: Sequence[SubnetCreate]) -> None:
    cut = {str(wish.subnetpool_id) for wish in wishes if wish.subnetpool_id}
    if any(wish.use_default_subnetpool for wish in wishes):
        cut |= {str(row[0]) for row in await tx.rows("SELECT id FROM subnet_pools WHERE is_default = 1")}
    await subnet_pools.hold(tx, cut)


async def create(tx: Tx, caller: Caller, wanted: SubnetCreate) -> Subnet:
    network = await networks.visible(tx, caller, wanted.network_id)
    rbac_policies.must_own(caller, network.project_id, "create_subnet")
    rbac_policies.operator_only(caller, "create_subnet:segment_id", wanted.segment_id or UNSET)
    project_id = rbac_policies.owner(caller, wanted.project_id)
    others = await of_network(tx, network.id)
    subnetpool_id, cidr = await _cidr(tx, caller, project_id, wanted, others)
    block = network_of(cidr)
    version = wanted.ip_version if wanted.ip_version is not UNSET else block.version
    if block.version != version:
        raise Invalid("subnet.invalid", f"Invalid input for operation: cidr {cidr} is not IP version {version}.")
    ra_mode, address_mode = _ipv6_modes(wanted, version, block.prefixlen)
    gateway = subnet_blocks.gateway_of(wanted.gateway_ip, block)
    _no_overlap(network, others, block)
    networks.mtu_carries(network.id, network.mtu, version)
    if wanted.allocation_pools:
        pools = subnet_blocks.checked_pools(wanted.allocation_pools, block)
        subnet_blocks.keep_gateway_outside(gateway, pools)
    else:
        pools = subnet_blocks.default_pools(block, gateway)
    now = tx.clock.now()
    subnet = Subnet(
        id=tx.ids.uuid(),
        project_id=project_id,
        network_id=network.id,
        name=wanted.name,
        description=wanted.description,
        ip_version=version,
        cidr=str(block),
        gateway_ip=gateway,
        enable_dhcp=wanted.enable_dhcp,
        ipv6_ra_mode=ra_mode,
        ipv6_address_mode=address_mode,
        allocation_pools=pools,
        dns_nameservers=_nameservers(wanted.dns_nameservers or ()),
        host_routes=_routes(wanted.host_routes or (), version),
        service_types=wanted.service_types or (),
        subnetpool_id=subnetpool_id,
        segment_id=wanted.segment_id or None,
        dns_publish_fixed_ip=wanted.dns_publish_fixed_ip,
        created_at=now,
        updated_at=now,
    )
    quotas.at_end(tx, project_id, {"subnet": 1})
    await tx.insert(SUBNETS, subnet)
    if not subnet.self_addressed:
        await addresses.open_pools(tx, subnet.id, pools)
    await tx.update(NETWORKS, network, subnets=(*network.subnets, subnet.id), updated_at=now)
    return subnet


async def update(tx: Tx, caller: Caller, subnet: Subnet, wanted: SubnetUpdate) -> Subnet:
    changes = {
        field: value
        for field in ("name", "description", "service_types", "dns_publish_fixed_ip", "segment_id")
        if (value := getattr(wanted, field)) is not UNSET
    }
    block = network_of(subnet.cidr)
    if wanted.enable_dhcp is not UNSET:
        if subnet.ipv6_ra_mode and not wanted.enable_dhcp:
            raise Invalid(
                "subnet.invalid",
                "Invalid input for operation: Cannot disable enable_dhcp with ipv6 attributes set.",
            )
        changes["enable_dhcp"] = wanted.enable_dhcp
    if wanted.dns_nameservers is not UNSET:
        changes["dns_nameservers"] = _nameservers(wanted.dns_nameservers)
    if wanted.host_routes is not UNSET:
        changes["host_routes"] = _routes(wanted.host_routes, subnet.ip_version)
    pools = subnet.allocation_pools
    if wanted.allocation_pools is not UNSET:
        changes["allocation_pools"] = pools = subnet_blocks.checked_pools(wanted.allocation_pools, block)
    if wanted.gateway_ip is not UNSET and wanted.gateway_ip != subnet.gateway_ip:
        gateway = subnet_blocks.gateway_of(wanted.gateway_ip, block)
        await _gateway_may_go(tx, subnet)
        changes["gateway_ip"] = gateway
    else:
        gateway = subnet.gateway_ip
    if "allocation_pools" in changes or "gateway_ip" in changes:
        subnet_blocks.keep_gateway_outside(gateway, pools)
    if "allocation_pools" in changes and not subnet.self_addressed:
        await addresses.close_pools(tx, subnet.id)
        await addresses.open_pools(tx, subnet.id, pools)
    now = tx.clock.now()
    network = await tx.need(NETWORKS, subnet.network_id, "network")
    written = await tx.update(SUBNETS, subnet, updated_at=now, **changes)
    # The network last, as whoever makes or deletes a subnet does.
    await tx.update(NETWORKS, network, updated_at=now)
    return written


async def delete(tx: Tx, subnet: Subnet) -> None:
    """Not while an address of it is taken; one that hosts made themselves does not count."""
    condition = "a.subnet_id = ?"
    if subnet.self_addressed:
        condition += " AND p.device_owner LIKE 'network:router%'"
    busy = await tx.row(
        f"SELECT p.id FROM addresses a JOIN ports p ON p.id = a.port_id WHERE {condition} LIMIT 1", subnet.id
    )
    if busy is not None:
        raise Conflict(
            "subnet.in_use",
            f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP allocation"
            " from this subnet.",
        )
    await _forget_self_addresses(tx, subnet)
    await addresses.close_pools(tx, subnet.id)
    await tags.forget(tx, "subnets", subnet)
    await tx.delete(SUBNETS, subnet)
    network = await tx.need(NETWORKS, subnet.network_id, "network")
    left = tuple(id for id in network.subnets if id != subnet.id)
    await tx.update(NETWORKS, network, subnets=left, updated_at=tx.clock.now())
    quotas.at_end(tx, subnet.project_id, {"subnet": -1})


async def _forget_self_addresses(tx: Tx, subnet: Subnet) -> None:
    if not subnet.self_addressed:
        return
    rows = await tx.rows("DELETE FROM addresses WHERE subnet_id = ? RETURNING port_id", subnet.id)
    for (port_id,) in rows:
        found = await tx.row("SELECT fixed_ips FROM ports WHERE id = ?", str(port_id))
        if found is not None:
            kept = [ip for ip in msgspec.json.decode(found[0]) if ip["subnet_id"] != subnet.id]
            await tx.run(
                "UPDATE ports SET fixed_ips = ?, revision = revision + 1 WHERE id = ?",
                msgspec.json.encode(kept).decode(),
                str(port_id),
            )


# -- what is asked, checked


async def _cidr(
    tx: Tx, caller: Caller, project_id: str, wanted: SubnetCreate, others: Sequence[Subnet]
) -> tuple[str | None, str]:
    """(the pool it comes from, the block)."""
    pool_id = wanted.subnetpool_id or None
    if wanted.use_default_subnetpool:
        if pool_id:
            raise Invalid(
                "subnet.invalid",
                "subnetpool_id and use_default_subnetpool cannot both be specified.",
            )
        version = wanted.ip_version if wanted.ip_version is not UNSET else 4
        pool_id = (await subnet_pools.default(tx, caller, version)).id
    if pool_id is None:
        if not wanted.cidr:
            raise Invalid(
                "subnet.invalid", "Bad subnets request: a subnetpool must be specified in the absence of a cidr."
            )
        if wanted.prefixlen is not UNSET:
            raise Invalid("subnet.invalid", "Bad subnets request: prefixlen needs a subnetpool.")
        return None, str(block_of(wanted.cidr))
    if any(other.subnetpool_id not in (None, pool_id) and other.ip_version == wanted.ip_version for other in others):
        raise Invalid(
            "network.subnet_pool_affinity",
            "Subnets hosted on the same network must be allocated from the same subnet pool.",
        )
    if wanted.cidr and wanted.prefixlen is not UNSET:
        raise Invalid("subnet.invalid", "Bad subnets request: cidr and prefixlen must not be supplied together.")
    block = await subnet_pools.cut(
        tx,
        caller,
        project_id,
        pool_id,
        cidr=wanted.cidr or None,
        prefixlen=wanted.prefixlen if wanted.prefixlen is not UNSET else None,
    )
    return pool_id, block


def _ipv6_modes(wanted: SubnetCreate, version: int, prefixlen: int) -> tuple[Ipv6Mode | None, Ipv6Mode | None]:
    ra_mode, address_mode = wanted.ipv6_ra_mode or None, wanted.ipv6_address_mode or None
    if not (ra_mode or address_mode):
        return None, None
    if version == 4:
        raise Invalid(
            "subnet.invalid", "Invalid input for operation: ipv6_ra_mode and ipv6_address_mode need ip_version 6."
        )
    if not wanted.enable_dhcp:
        raise Invalid(
            "subnet.invalid",
            "Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is False.",
        )
    if ra_mode and address_mode and ra_mode != address_mode:
        raise Invalid(
            "subnet.invalid",
            f"Invalid input for operation: ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode"
            f" set to '{address_mode}' is not valid.",
        )
    if address_mode in ("slaac", "dhcpv6-stateless") and prefixlen != 64:
        raise Invalid("subnet.invalid", f"Invalid input for operation: {address_mode} needs a /64, not a /{prefixlen}.")
    return ra_mode, address_mode


async def _gateway_may_go(tx: Tx, subnet: Subnet) -> None:
    if subnet.gateway_ip is None:
        return
    row = await tx.row(
        "SELECT a.port_id FROM addresses a JOIN ports p ON p.id = a.port_id WHERE a.subnet_id = ? AND a.ip = ?"
        " AND p.device_owner = 'network:router_interface'",
        subnet.id,
        subnet.gateway_ip,
    )
    if row is not None:
        raise Conflict(
            "subnet.gateway_in_use",
            f"Current gateway ip {subnet.gateway_ip} already in use by port {row[0]}. Unable to update.",
        )


def _no_overlap(network: Network, others: Sequence[Subnet], block: addresses.Network) -> None:
    for other in others:
        if other.ip_version == block.version and network_of(other.cidr).overlaps(block):
            raise Invalid(
                "subnet.overlap",
                f"Invalid input for operation: Requested subnet with cidr: {block} for network: {network.id}"
                " overlaps with another subnet.",
            )


def _nameservers(given: Sequence[str]) -> tuple[str, ...]:
    if len(set(given)) != len(given):
        raise Invalid("subnet.invalid", "Invalid input for dns_nameservers. Reason: duplicate nameserver.")
    if len(given) > 5:
        raise Invalid("subnet.invalid", "Unable to complete operation: more than 5 DNS nameservers.")
    return tuple(str(parsed(ip)) for ip in given)


def _routes(given: Sequence[Route], version: int) -> tuple[Route, ...]:
    if len(given) > 20:
        raise Invalid("subnet.invalid", "Unable to complete operation: more than 20 host routes.")
    routes = tuple(route.parsed() for route in given)
    for route in routes:
        if network_of(route.destination).version != version or parsed(route.nexthop).version != version:
            raise Invalid("subnet.invalid", f"Invalid input for host_routes: not IP version {version}.")
    return routes
