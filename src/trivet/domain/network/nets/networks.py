"""Networks: what a port is on, and what subnets give addresses to.

A network knows its subnets' ids; adding or removing a subnet writes the network's row too. So two
requests that change the same network's subnets cannot miss each other, and everybody who follows
networks in the log hears of subnets as well.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal, get_args

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies, tags
from trivet.domain.network.groups import security_groups
from trivet.domain.network.words import Number, Text, ZoneHints
from trivet.errors import Conflict, Invalid, NotFound, Stale
from trivet.store import leases
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

NetworkType = Literal["geneve", "vxlan", "flat", "vlan"]
_TUNNELS = ("geneve", "vxlan")

TENANT_MTU = 1442
"""1500 less what Geneve puts around a packet."""
VXLAN_MTU = 1450
PROVIDER_MTU = 1500
_LEAST_MTU = {4: 68, 6: 1280}
_TUNNEL_MAX = 2**24
_VLAN_MAX = 4094


class Network(Record, frozen=True, kw_only=True):
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    mtu: int = TENANT_MTU
    network_type: NetworkType = "geneve"
    physical_network: str | None = None
    segmentation_id: int | None = None
    external: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    dns_domain: str = ""
    availability_zone_hints: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    created_at: float
    updated_at: float


NETWORKS = Table("networks", Network)


class NetworkCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    mtu: Number | UnsetType = UNSET
    network_type: Text | UnsetType = UNSET
    physical_network: Text | UnsetType | None = UNSET
    segmentation_id: Number | UnsetType | None = UNSET
    segments: list[Any] | UnsetType | None = UNSET
    port_security_enabled: bool = True
    dns_domain: Text = ""
    availability_zone_hints: ZoneHints = ()


class NetworkUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    mtu: Number | UnsetType = UNSET
    network_type: Text | UnsetType = UNSET
    physical_network: Text | UnsetType | None = UNSET
    segmentation_id: Number | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    dns_domain: Text | UnsetType = UNSET


async def visible(tx: Tx, caller: Caller, id: str) -> Network:
    network = await tx.get(NETWORKS, id)
    if network is None or not await rbac_policies.sees(tx, caller, "network", network.project_id, id):
        raise NotFound("network.absent", f"Network {id} could not be found.")
    return network


async def own(tx: Tx, caller: Caller, id: str, what: str) -> Network:
    network = await visible(tx, caller, id)
    rbac_policies.must_own(caller, network.project_id, what)
    return network


async def for_servers(tx: Tx, caller: Caller) -> list[Network]:
    """The networks that a server of the caller gets when it names none: one's own and shared ones, never external."""
    project_id = caller.project_id or ""
    where = Where().add(
        "external = 0 AND admin_state_up = 1 AND (project_id = ? OR id IN (SELECT object_id FROM rbac_policies"
        " WHERE object_type = 'network' AND action = 'access_as_shared' AND target_tenant IN ('*', ?)))",
        project_id,
        project_id,
    )
    return await tx.select(NETWORKS, where, order="created_at, id")


async def hold(tx: Tx, ids: Iterable[str]) -> None:
    """Networks come before what is granted on them, and after their subnets and ports."""
    for id in sorted(set(ids)):
        await tx.run("UPDATE networks SET revision = revision WHERE id = ?", id)


async def create(tx: Tx, caller: Caller, wanted: NetworkCreate, *, physical_networks: Collection[str] = ()) -> Network:
    """`physical_networks`: those that hosts can bridge to."""
    for name, given in (
        ("create_network:shared", wanted.shared if wanted.shared else UNSET),
        ("create_network:router:external", wanted.external if wanted.external else UNSET),
        ("create_network:is_default", wanted.is_default),
        ("create_network:provider:network_type", wanted.network_type),
        ("create_network:provider:physical_network", wanted.physical_network),
        ("create_network:provider:segmentation_id", wanted.segmentation_id),
        ("create_network:segments", wanted.segments),
    ):
        rbac_policies.operator_only(caller, name, given)
    project_id = rbac_policies.owner(caller, wanted.project_id)
    await security_groups.default_id(tx, project_id)
    now = tx.clock.now()
    kind, physical, segmentation_id = _provider(wanted, physical_networks)
    if kind not in _TUNNELS or segmentation_id:
        # A number that was chosen, or the first that is free: two that want some of the same take turns.
        await leases.take_turn(tx, "segments")
    network = Network(
        id=tx.ids.uuid(),
        project_id=project_id,
        name=wanted.name,
        description=wanted.description,
        admin_state_up=wanted.admin_state_up,
        mtu=_mtu(kind, wanted.mtu),
        network_type=kind,
        physical_network=physical,
        external=wanted.external is True,
        is_default=wanted.is_default is True,
        port_security_enabled=wanted.port_security_enabled,
        dns_domain=wanted.dns_domain,
        availability_zone_hints=wanted.availability_zone_hints,
        segmentation_id=segmentation_id if segmentation_id else await _free_segment(tx, kind, physical),
        created_at=now,
        updated_at=now,
    )
    if network.is_default:
        await _one_default(tx, network.id)
    await tx.insert(NETWORKS, network)
    quotas.at_end(tx, project_id, {"network": 1})
    await _claim_segment(tx, network, chosen=bool(segmentation_id))
    if wanted.shared is True:
        await rbac_policies.grant(tx, project_id, "network", network.id, "access_as_shared")
    if network.external:
        await rbac_policies.grant(tx, project_id, "network", network.id, "access_as_external")
    return network


async def before_several(tx: Tx, caller: Caller, wishes: Sequence[NetworkCreate]) -> None:
    await security_groups.make_defaults(tx, caller, (wish.project_id for wish in wishes))


async def update(tx: Tx, caller: Caller, network: Network, wanted: NetworkUpdate) -> Network:
    for name, given in (
        ("update_network:shared", wanted.shared),
        ("update_network:router:external", wanted.external),
        ("update_network:is_default", wanted.is_default),
        ("update_network:provider:network_type", wanted.network_type),
        ("update_network:provider:physical_network", wanted.physical_network),
        ("update_network:provider:segmentation_id", wanted.segmentation_id),
    ):
        rbac_policies.operator_only(caller, name, given)
    _same_provider(network, wanted)
    if wanted.shared is not UNSET or wanted.external is not UNSET:
        await hold(tx, (network.id,))
    if wanted.shared is True:
        await rbac_policies.grant(tx, network.project_id, "network", network.id, "access_as_shared")
    elif wanted.shared is False:
        await rbac_policies.withdraw(tx, "network", network.id, "access_as_shared")
    if wanted.external is True and not network.external:
        await rbac_policies.grant(tx, network.project_id, "network", network.id, "access_as_external")
    elif wanted.external is False and network.external:
        await may_be_internal(tx, network)
        await rbac_policies.withdraw_all(tx, "network", network.id, "access_as_external")
    if wanted.is_default is True:
        await _one_default(tx, network.id)
    changes: dict[str, Any] = {"is_default": False} if wanted.external is False else {}
    for field in (
        "name",
        "description",
        "admin_state_up",
        "external",
        "is_default",
        "port_security_enabled",
        "dns_domain",
    ):
        value = getattr(wanted, field)
        if value is not UNSET:
            changes[field] = value
    if wanted.mtu is not UNSET:
        changes["mtu"] = _mtu(network.network_type, wanted.mtu)
        await _mtu_fits(tx, network, changes["mtu"])
    return await tx.update(NETWORKS, network, updated_at=tx.clock.now(), **changes)


async def delete(tx: Tx, network: Network) -> None:
    """Deletes a network with its subnets; refused while a port is on it."""
    busy = await tx.row("SELECT id, device_owner FROM ports WHERE network_id = ? LIMIT 1", network.id)
    if busy is not None:
        raise Conflict(
            "network.in_use",
            f"Unable to complete operation on network {network.id}. "
            f"There are one or more ports still in use on the network, id for these ports: {busy[0]}.",
        )
    # In the order in which they are taken hold of (port_addresses.py).
    on = "SELECT id FROM subnets WHERE network_id = ? ORDER BY ip_version, created_at, id"
    for (subnet_id,) in await tx.rows(on, network.id):
        await tx.run("DELETE FROM allocation_pools WHERE subnet_id = ?", subnet_id)
        await tx.run("DELETE FROM freed_addresses WHERE subnet_id = ?", subnet_id)
    owners = await tx.rows("SELECT project_id, COUNT(*) FROM subnets WHERE network_id = ? GROUP BY 1", network.id)
    for project_id, count in owners:
        quotas.at_end(tx, str(project_id), {"subnet": -int(count)})
    await tx.run("DELETE FROM subnets WHERE network_id = ?", network.id)
    await tx.run("DELETE FROM network_segments WHERE network_id = ?", network.id)
    await tags.forget(tx, "networks", network)
    await tx.delete(NETWORKS, network)
    await rbac_policies.forget(tx, "network", network.id)
    quotas.at_end(tx, network.project_id, {"network": -1})


async def may_be_internal(tx: Tx, network: Network) -> None:
    busy = await tx.row(
        "SELECT id FROM ports WHERE network_id = ? AND device_owner IN"
        " ('network:router_gateway', 'network:floatingip') LIMIT 1",
        network.id,
    )
    if busy is not None:
        raise Conflict(
            "network.external_in_use",
            f"External network {network.id} cannot be updated to be made non-external,"
            " since it has existing gateway ports.",
        )


async def _one_default(tx: Tx, id: str) -> None:
    other = await tx.row("SELECT id FROM networks WHERE is_default = 1 AND id <> ? LIMIT 1", id)
    if other is not None:
        raise Conflict("network.default_exists", "A default external network already exists: " + str(other[0]))


# -- providers: what carries the network


def _provider(wanted: NetworkCreate, known: Collection[str]) -> tuple[NetworkType, str | None, int | None]:
    if wanted.segments:
        raise Invalid(
            "network.type",
            "Invalid input for operation: a network has one segment here; say it by provider:network_type,"
            " provider:physical_network and provider:segmentation_id.",
        )
    kind = wanted.network_type if wanted.network_type is not UNSET else "geneve"
    physical = wanted.physical_network or None
    segmentation_id = wanted.segmentation_id or None
    if kind not in get_args(NetworkType):
        raise Invalid("network.type", f"Invalid input for operation: network_type value '{kind}' not supported.")
    if kind in _TUNNELS and physical:
        raise Invalid("network.type", f"Invalid input for operation: provider:physical_network specified for {kind}.")
    if kind not in _TUNNELS:
        if physical is None:
            raise Invalid("network.type", f"Invalid input for operation: {kind} needs provider:physical_network.")
        if physical not in known:
            raise Invalid(
                "network.type",
                f"Invalid input for operation: physical_network '{physical}' unknown for {kind} provider network.",
            )
    if kind == "flat" and segmentation_id:
        raise Invalid("network.type", "Invalid input for operation: segmentation_id specified for flat network.")
    top = _VLAN_MAX if kind == "vlan" else _TUNNEL_MAX
    if segmentation_id is not None and not 1 <= segmentation_id <= top:
        raise Invalid("network.type", f"Invalid input for operation: segmentation_id must be 1 to {top}.")
    return kind, physical, segmentation_id  # type: ignore[return-value] # narrowed by the test above


def _same_provider(network: Network, wanted: NetworkUpdate) -> None:
    for field in ("network_type", "physical_network", "segmentation_id"):
        value = getattr(wanted, field)
        if value is not UNSET and value != getattr(network, field):
            raise Invalid("network.provider_fixed", "Plugin does not support updating provider attributes.")


def _mtu(kind: str, asked: int | UnsetType) -> int:
    top = {"geneve": TENANT_MTU, "vxlan": VXLAN_MTU}.get(kind, PROVIDER_MTU)
    if asked is UNSET or asked == 0:
        return top
    if asked < 0:
        raise Invalid("network.mtu", f"Invalid input for mtu. Reason: '{asked}' should be non-negative.")
    if asked > top:
        raise Invalid("network.mtu", f"Invalid input for operation: Requested MTU is too big, maximum is {top}.")
    return asked


def mtu_carries(network_id: str, mtu: int, version: int) -> None:
    """A network without subnets may have any."""
    least = _LEAST_MTU[version]
    if mtu < least:
        raise Conflict(
            "network.mtu_conflict", f"MTU of {network_id} is not valid, subnet requires a minimum of {least}"
        )


async def _mtu_fits(tx: Tx, network: Network, mtu: int) -> None:
    for (version,) in await tx.rows("SELECT DISTINCT ip_version FROM subnets WHERE network_id = ?", network.id):
        mtu_carries(network.id, mtu, int(version))


async def _free_segment(tx: Tx, kind: NetworkType, physical: str | None) -> int | None:
    """One that nobody has, or hardly anybody can have; the claim says whether it is so."""
    if kind == "flat":
        return None
    if kind in _TUNNELS:
        return 1 + tx.ids.choice_below(_TUNNEL_MAX)
    taken = "SELECT segmentation_id FROM network_segments WHERE network_type = ? AND physical_network = ?"
    used = {int(row[0]) for row in await tx.rows(taken, kind, physical or "")}
    free = next((n for n in range(1, _VLAN_MAX + 1) if n not in used), None)
    if free is None:
        raise Conflict("network.none_available", f"Unable to create the network: no VLAN is free on {physical}.")
    return free


async def _claim_segment(tx: Tx, network: Network, *, chosen: bool) -> None:
    touched = await tx.run(
        "INSERT INTO network_segments (network_type, physical_network, segmentation_id, network_id)"
        " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        network.network_type,
        network.physical_network or "",
        network.segmentation_id or 0,
        network.id,
    )
    if not touched and not chosen and network.network_type != "flat":
        # Somebody was quicker, or has had it all along: all of it again, with another one.
        raise Stale("network_segments", network.id)
    if not touched:
        what = f"{network.network_type} {network.segmentation_id or ''}".strip()
        raise Conflict(
            f"network.{network.network_type}_in_use",
            f"Unable to create the network. The {what} on physical network {network.physical_network} is in use.",
        )


async def segment_on(tx: Tx, network: Network, physical: str, first: int, last: int) -> int:
    """The VLAN that the network is on a physical network: its own there, or one of the range that is claimed now."""
    if network.network_type == "vlan" and network.physical_network == physical:
        return network.segmentation_id or 0
    where = Where().add("network_type = 'vlan' AND physical_network = ?", physical)
    taken = f"SELECT segmentation_id, network_id FROM network_segments{where.sql}"
    used = {int(row[0]): str(row[1]) for row in await tx.rows(taken, *where.values)}
    for vlan, owner in used.items():
        if owner == network.id:
            return vlan
    free = next((vlan for vlan in range(first, last + 1) if vlan not in used), None)
    if free is None:
        raise Conflict("network.none_available", f"No VLAN is free on {physical} for a network with physical machines.")
    claimed = await tx.run(
        "INSERT INTO network_segments (network_type, physical_network, segmentation_id, network_id)"
        " VALUES ('vlan', ?, ?, ?) ON CONFLICT DO NOTHING",
        physical,
        free,
        network.id,
    )
    if not claimed:
        raise Stale("network_segments", network.id)
    # Whoever follows networks makes it so.
    tx.note(Change("networks", network.id, "updated", network.revision, project_id=network.project_id))
    return free


async def segments_of(tx: Tx, network_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """Network -> physical network -> VLAN, of all that there are, the networks' own included."""
    found: dict[str, dict[str, int]] = {}
    if network_ids:
        where = Where().any_of("network_id", sorted(network_ids)).add("network_type = 'vlan'")
        columns = "network_id, physical_network, segmentation_id"
        for id, physical, vlan in await tx.rows(f"SELECT {columns} FROM network_segments{where.sql}", *where.values):
            found.setdefault(str(id), {})[str(physical)] = int(vlan)
    return found


async def named(tx: Tx, ids: Iterable[str]) -> dict[str, Network]:
    return {network.id: network for network in await tx.select(NETWORKS, Where().any_of("id", ids))}
