"""Placing: which host a new server may run on, and the claim that makes it so; once more where a host fails.

Zones, forced hosts, hints and group rules are all turned into one `Want` before anything is looked for;
the claim itself is the only thing that decides.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from trivet.domain.callers import Caller, expanded
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.numbers import whole_number
from trivet.domain.placement import claims
from trivet.domain.placement.choosing import Want
from trivet.domain.servers import server_groups, wishes
from trivet.domain.servers.server_groups import SERVER_GROUPS, ServerGroup
from trivet.domain.servers.servers import FlavorOf, Server
from trivet.domain.servers.topology import places
from trivet.domain.servers.words import Kind
from trivet.domain.volumes import attachments
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tx import Tx
from trivet.store.where import Where


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """The hosts that a server may go to. `zone` is what stays pinned."""

    zone: str | None = None
    only: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()
    group: ServerGroup | None = None
    hints: tuple[str, ...] = ()
    """The scheduler hints that narrowed the choice."""
    named: bool = False
    """An operator said which host."""


async def spot(
    tx: Tx, caller: Caller, *, zone: str | None, host: str | None, node: str | None, hints: dict[str, Any]
) -> Spot:
    """What was asked, checked. `zone` may be ZONE:HOST:NODE, as operators write it."""
    checked = zone is None
    if zone is not None and ":" in zone:
        zone, forced_host, forced_node = _split_zone(zone)
        if not caller.is_operator:
            raise Forbidden("policy.forbidden", "Policy doesn't allow os_compute_api:servers:create:forced_host.")
        if host or node:
            raise Invalid(
                "server.two_hosts",
                "One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are "
                "mutually exclusive.",
            )
        host, node, checked = forced_host, forced_node, True
    elif (host or node) and not caller.is_operator:
        raise Forbidden("policy.forbidden", "Policy doesn't allow compute:servers:create:requested_destination.")
    only: frozenset[str] | None = None
    if host or node:
        only = frozenset((await _named_host(tx, host, node),))
    if zone is not None and not checked:
        only = _both(only, await _hosts_in_zone(tx, zone))
    if hints.get("same_host"):
        only = _both(only, await _hosts_of(tx, caller, hints["same_host"]))
    excluded = await _hosts_of(tx, caller, hints.get("different_host"))
    return Spot(
        zone=zone,
        only=only,
        excluded=excluded,
        group=await _group(tx, caller, hints),
        hints=tuple(name for name in ("same_host", "different_host") if hints.get(name)),
        named=bool(host or node),
    )


def within(spot: Spot, hosts: frozenset[str] | None) -> Spot:
    """The spot narrowed to these hosts."""
    return msgspec.structs.replace(spot, only=_both(spot.only, hosts))


async def claim(
    tx: Tx,
    server_id: str,
    project_id: str,
    user_id: str,
    *,
    kind: Kind,
    flavor: FlavorOf,
    properties: Mapping[str, str],
    where: Spot,
) -> Host | None:
    """Take room for a server on a host that fits; None if there is none."""
    consumer = claims.Consumer(id=server_id, project_id=project_id, user_id=user_id, type="INSTANCE")
    inside = places.wanted(flavor, properties)

    async def place(only: frozenset[str] | None, excluded: frozenset[str]) -> Host | None:
        want = want_of(kind, flavor, properties, only, excluded)
        return await (hosts.place(tx, consumer, want) if inside is None else places.place(tx, consumer, want, inside))

    group = where.group
    if group is None:
        return await place(where.only, where.excluded)
    soft = group.policy.startswith("soft-")
    while True:
        host = await place(*await narrowed(tx, where))
        if host is None and soft:
            host = await place(where.only, where.excluded)
        if host is None or await server_groups.join(tx, group.id, server_id, host.id):
            return host
        # Another member took the host between our look and our claim: look again.
        await claims.free(tx, server_id)
        await places.leave(tx, server_id)


async def narrowed(tx: Tx, where: Spot) -> tuple[frozenset[str] | None, frozenset[str]]:
    """(the only hosts, those that are out), with what the group's rule adds; of a soft rule that is a leaning."""
    group = where.group
    if group is None:
        return where.only, where.excluded
    look = server_groups.leanings if group.policy.startswith("soft-") else server_groups.hosts
    only, excluded = await look(tx, group)
    return _both(where.only, only), where.excluded | excluded


async def claim_elsewhere(tx: Tx, server: Server, failed: frozenset[str]) -> Host | None:
    """Move the claim of a server that could not be built to a host that has not failed; None leaves all as it is.

    Its creator's wishes still hold: the zone, the hints, the group.
    """
    if server.pinned:
        return None
    owner = Caller(user_id=server.user_id, roles=expanded(("member",)), project_id=server.project_id)
    try:
        only = await _hosts_in_zone(tx, server.zone) if server.zone is not None else None
    except Invalid:
        # The zone has gone in the meantime.
        return None
    if server.hints.get("same_host"):
        only = _both(only, await _hosts_of(tx, owner, server.hints["same_host"]))
    excluded = await _hosts_of(tx, owner, server.hints.get("different_host"))
    return await move(tx, server, Spot(zone=server.zone, only=only, excluded=excluded | failed))


async def move(tx: Tx, server: Server, where: Spot) -> Host | None:
    """Its claim, to a host that fits there and by the rule of its group; None leaves all as it is."""
    group = await tx.get(SERVER_GROUPS, server.group_id) if server.group_id is not None else None
    where = msgspec.structs.replace(within(where, await attachments.hosts_of(tx, server.id)), group=group)
    await tx.savepoint()
    await claims.take_turn(tx)
    await leave(tx, server)
    host = await claim(
        tx,
        server.id,
        server.project_id,
        server.user_id,
        kind=server.kind,
        flavor=held(server),
        properties=server.properties,
        where=where,
    )
    await (tx.undo() if host is None else tx.keep())
    return host


def held(server: Server, flavor: FlavorOf | None = None) -> FlavorOf:
    """Its flavor, or another, as its host has to bear it: what boots from a volume has no root disk there."""
    flavor = flavor or server.flavor
    return msgspec.structs.replace(flavor, disk_gib=0) if server.boots_from_volume else flavor


def resources_of(flavor: FlavorOf, properties: Mapping[str, str]) -> dict[str, int]:
    wanted = {
        "VCPU": flavor.vcpus,
        "MEMORY_MB": flavor.ram_mib,
        "DISK_GB": flavor.disk_gib + flavor.ephemeral_gib + -(-flavor.swap_mib // 1024),
    }
    for name, text in flavor.extra_specs.items():
        if name.startswith("resources:") and (amount := whole_number(text)) is not None:
            wanted[name.removeprefix("resources:")] = amount
    return places.base(flavor, properties, {name: amount for name, amount in wanted.items() if amount > 0})


def want_of(
    kind: Kind,
    flavor: FlavorOf,
    properties: Mapping[str, str],
    only: frozenset[str] | None,
    excluded: frozenset[str],
) -> Want:
    required, forbidden = {hosts.kind_trait(kind)}, set[str]()
    for trait, wanted in wishes.traits(flavor, properties):
        (required if wanted else forbidden).add(trait)
    resources = resources_of(flavor, properties)
    if kind == "metal":
        resources[hosts.MACHINE] = 1
    return Want(
        resources=resources,
        snug=kind == "metal",
        required=frozenset(required),
        forbidden=frozenset(forbidden),
        only=only,
        excluded=excluded,
    )


def _split_zone(text: str) -> tuple[str | None, str | None, str | None]:
    parts = text.split(":")
    if len(parts) > 3:
        raise Invalid("zone.invalid", f"Invalid availability_zone: {text[:64]!r} is not ZONE[:HOST[:NODE]].")
    zone, host, node = (*parts, "", "")[:3]
    return zone or None, host or None, node or None


async def _named_host(tx: Tx, host: str | None, node: str | None) -> str:
    name = host or node
    assert name is not None
    found = await tx.find(HOSTS, "name = ?", name)
    if found is None or (node and host and node != host):
        raise Invalid("host.absent", f"Compute host {node or name} could not be found.")
    return found.id


async def _hosts_in_zone(tx: Tx, zone: str) -> frozenset[str] | None:
    """None: all of them, which need not be listed."""
    # A host without a zone is in the default one, and NOT (NULL = 'x') would be neither true nor false.
    inside = f"COALESCE(zone, '{DEFAULT_ZONE}') = ?"
    if await tx.row(f"SELECT 1 FROM hosts WHERE {inside} LIMIT 1", zone) is None:
        raise Invalid("zone.absent", "The requested availability zone is not available")
    if await tx.row(f"SELECT 1 FROM hosts WHERE NOT {inside} LIMIT 1", zone) is None:
        return None
    return frozenset(str(row[0]) for row in await tx.rows(f"SELECT id FROM hosts WHERE {inside}", zone))


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


async def _hosts_of(tx: Tx, caller: Caller, said: Any) -> frozenset[str]:
    """The hosts of those named servers that are the caller's; other ids count for nothing, as in nova."""
    ids = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    if not ids:
        return frozenset()
    if not all(isinstance(id, str) and is_uuid(id) for id in ids):
        raise Invalid("hint.invalid", "same_host and different_host name servers by their ids.")
    where = Where().any_of("id", ids).add("host_id IS NOT NULL AND deleted_at IS NULL")
    if not caller.is_operator:
        where.equal("project_id", caller.project_id)
    return frozenset(str(row[0]) for row in await tx.rows(f"SELECT host_id FROM servers{where.sql}", *where.values))


async def _group(tx: Tx, caller: Caller, hints: dict[str, Any]) -> ServerGroup | None:
    said = hints.get("group")
    if isinstance(said, list):
        said = said[0] if said else None
    if said is None:
        return None
    if not isinstance(said, str) or not is_uuid(said):
        raise Invalid("hint.invalid", "The hint group must be the id of a server group.")
    try:
        return await server_groups.visible(tx, caller, said)
    except NotFound as error:
        raise Invalid(error.code, f"Instance group {said} could not be found.") from error


async def leave(tx: Tx, server: Server) -> None:
    """Give back the room on the host and the place in the group."""
    await claims.free(tx, server.id)
    await places.leave(tx, server.id)
    if server.group_id is not None and server.host_id is not None:
        await server_groups.leave(tx, server.group_id, server.id, server.host_id)
