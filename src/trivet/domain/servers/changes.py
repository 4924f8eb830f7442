"""Changes to a server that are more than power: what it is called, its image, its size.

While a resize waits for its confirmation the server holds enough of its host for either size, so that neither
way can fail for room.
"""

from collections.abc import Callable
from types import EllipsisType
from typing import Any

from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.limits import quotas
from trivet.domain.placement import claims
from trivet.domain.servers import departures, flavors, local_disks, migrations, moving, usage, wishes
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import order
from trivet.domain.servers.create import cost, flavor_of, grace_of
from trivet.domain.servers.flavors import Flavor
from trivet.domain.servers.kinds import kind_of
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import SERVERS, FlavorOf, Server
from trivet.domain.servers.topology import asks, places
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tx import Tx

BUILD_S = 600.0
ADJUSTING = "adjusting"
"""The task of a container that is given other limits while it runs."""


async def update(
    tx: Tx, call: Call, id: str, changes: dict[str, Any], *, zone: str | EllipsisType | None = ...
) -> Server:
    """Names and the like. `zone` pins it to the zone it is in, or with None to none; `...` leaves that alone."""
    server = await ready(tx, call, id, "update", tasks=None, lock_matters=False)
    if not isinstance(zone, EllipsisType) and zone != server.zone:
        changes = changes | {"zone": await _pinned(tx, server, zone)}
    if not changes:
        return server
    return await tx.update(SERVERS, server, updated_at=tx.clock.now(), **changes)


async def _pinned(tx: Tx, server: Server, zone: str | None) -> str | None:
    if zone is None:
        return None
    host = await tx.get(HOSTS, server.host_id) if server.host_id else None
    if server.zone is not None or host is None or (host.zone or DEFAULT_ZONE) != zone:
        raise Conflict("zone.mismatch", f"Server {server.id} cannot be pinned to zone {zone}: it is not there.")
    return zone


async def resize(tx: Tx, call: Call, id: str, flavor_id: str, disk_config: str | None) -> Server:
    server = await ready(tx, call, id, "resize", states=("active", "stopped"))
    need_host(server, "resize")
    flavor = await _other_flavor(tx, call, server, flavor_id)
    wanted = flavor_of(flavor)
    wishes.check(wanted, server.properties)
    if (why := wishes.unmet(wanted, server.properties, server.kind)) is not None:
        raise Invalid("resize.unmet", f"No valid host was found. {why}")
    changes: dict[str, Any] = {"local_disks": local_disks.resized(server, wanted)}
    if disk_config is not None:
        changes["disk_config"] = disk_config
    try:
        await _hold_either(tx, server, wanted)
    except Conflict:
        moved = await departures.resize(tx, call, server, wanted, changes)
        # Who asks for more than his quota hears of that, whatever the hosts have.
        await _move_quota(tx, server, wanted)
        if moved is None:
            raise
        return moved
    await migrations.begin(tx, call, server, wanted)
    grace_s = grace_of(server.properties)
    changes |= {"flavor": wanted, "old_flavor": server.flavor, "grace_s": grace_s}
    ordered = await order(tx, call, server, "resize", "resize_prep", in_s=BUILD_S + grace_s, **changes)
    await _move_quota(tx, server, wanted)
    return ordered


async def confirm_resize(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "confirmResize", method="confirm_resize", states=("resized",))
    await migrations.turn(tx, server, "confirming")
    if server.move is not None:
        server = await moving.clear(tx, server)
        return await order(tx, call, server, "confirmResize", "resize_confirming")
    await _hold_one(tx, server, server.flavor)
    return await order(tx, call, server, "confirmResize", "resize_confirming", old_flavor=None)


async def revert_resize(tx: Tx, call: Call, id: str) -> Server:
    """Back to the old flavor. A disk that grew stays as it is: it cannot shrink without harm."""
    server = await ready(tx, call, id, "revertResize", method="revert_resize", states=("resized",))
    old = server.old_flavor
    assert old is not None
    if server.move is not None:
        return await departures.revert(tx, call, server)
    await _hold_one(tx, server, old)
    await migrations.turn(tx, server, "reverting")
    changes: dict[str, Any] = {"flavor": old, "old_flavor": None, "local_disks": local_disks.reverted(server, old)}
    ordered = await order(tx, call, server, "revertResize", "resize_reverting", in_s=BUILD_S, **changes)
    await _move_quota(tx, server, old)
    return ordered


async def undo_resize(tx: Tx, server: Server) -> Server:
    """The host could not do it: the server is what it was, and holds no more than that."""
    old = server.old_flavor
    if old is None:
        return server
    await _hold_one(tx, server, old)
    before, after = cost(server.flavor), cost(old)
    quotas.at_end(tx, server.project_id, {name: after.get(name, 0) - before.get(name, 0) for name in before | after})
    return await tx.update(SERVERS, server, flavor=old, old_flavor=None, local_disks=local_disks.reverted(server, old))


async def adjust(tx: Tx, call: Call, id: str, wanted: Callable[[FlavorOf], FlavorOf]) -> Server:
    """Other limits of a container, without a stop. Until its host has them, it holds enough for either."""
    server = await ready(tx, call, id, "update", states=("active", "stopped", "paused"))
    need_host(server, "update")
    flavor = wanted(server.flavor)
    if flavor == server.flavor:
        return server
    try:
        await _hold_either(tx, server, flavor)
    except Conflict:
        await _move_quota(tx, server, flavor)
        raise
    changed = await order(tx, call, server, "resize", ADJUSTING, flavor=flavor, old_flavor=server.flavor)
    await _move_quota(tx, server, flavor)
    return changed


async def adjusted(tx: Tx, server: Server) -> Server:
    """Its host says that it has the wanted size."""
    if server.task != ADJUSTING:
        return server
    await _hold_one(tx, server, server.flavor)
    return await tx.update(SERVERS, server, old_flavor=None)


async def _other_flavor(tx: Tx, call: Call, server: Server, flavor_id: str) -> Flavor:
    try:
        flavor = await flavors.visible(tx, call.caller, flavor_id)
    except NotFound as error:
        raise Invalid(error.code, f"Flavor {flavor_id} could not be found.") from error
    if flavor.id == server.flavor.id:
        raise Invalid("resize.same_flavor", "When resizing, instances must change flavor!")
    if flavor.disk_gib < server.root_gib and server.kind != "container":
        raise Invalid(
            "resize.smaller_disk",
            "Server disk was unable to be resized because: a disk does not shrink; choose a flavor with at least "
            f"{server.flavor.disk_gib} GiB.",
        )
    if kind_of(flavor.extra_specs, container=server.kind == "container", isolation=call.isolation) != server.kind:
        raise Invalid("server.kind_mismatch", f"Flavor {flavor.id} is for another kind than {server.kind}.")
    return flavor


def _held(server: Server, flavor: FlavorOf) -> dict[str, int]:
    return server_placing.resources_of(server_placing.held(server, flavor), server.properties)


async def _hold_either(tx: Tx, server: Server, flavor: FlavorOf) -> None:
    """Enough for the size that it has, and for the one that it is to have. Parts of the host that it has for itself
    are other ones in each."""
    assert server.host_id is not None
    now, then = _held(server, server.flavor), _held(server, flavor)
    besides = await places.besides(tx, server, server.flavor)
    together = {name: max(now.get(name, 0), then.get(name, 0)) for name in now | then}
    for name in then.keys() & now.keys() & places.EXCLUSIVE:
        together[name] = now[name] + then[name]
    inside = places.wanted(flavor, server.properties)
    what = " and ".join(["room for the new flavor", *asks.said(flavor, server.properties)])
    await _hold(tx, server, places.added(together, besides), what)
    if inside is not None and not await places.take(tx, _consumer(server), server.host_id, inside):
        raise _no_room(what)


async def _hold_one(tx: Tx, server: Server, flavor: FlavorOf) -> None:
    """No more than it needs for this size."""
    assert server.host_id is not None
    besides = await places.besides(tx, server, flavor)
    await _hold(tx, server, places.added(_held(server, flavor), besides))
    await places.leave(tx, server.id, but=(server.host_id, flavor.id))


async def _hold(tx: Tx, server: Server, resources: dict[str, int], what: str = "room for the flavor") -> None:
    if not await claims.replace(tx, [(_consumer(server), {server.host_id or "": resources})]):
        raise _no_room(what)


def _consumer(server: Server) -> claims.Consumer:
    return claims.Consumer(id=server.id, project_id=server.project_id, user_id=server.user_id, type="INSTANCE")


def _no_room(what: str) -> Conflict:
    return Conflict("resize.no_room", f"No valid host was found. The server's host has no {what}.")


async def _move_quota(tx: Tx, server: Server, flavor: FlavorOf) -> None:
    """Last, as with a new server: everybody of the project meets at that row."""
    before, after = cost(server.flavor), cost(flavor)
    moved = {name: after.get(name, 0) - before.get(name, 0) for name in before | after}
    more = {name: amount for name, amount in moved.items() if amount > 0}
    less = {name: -amount for name, amount in moved.items() if amount < 0}
    await quotas.take(tx, server.project_id, more, user_id=server.user_id, count=usage.taken_by_user)
    await quotas.give_back(tx, server.project_id, less)


async def set_metadata(
    tx: Tx, call: Call, id: str, metadata: dict[str, str], *, keep: bool = True, dropped: str | None = None
) -> Server:
    states = ("active", "paused", "suspended", "stopped")
    server = await ready(tx, call, id, "metadata", method="update metadata", states=states, tasks=None)
    now = {key: value for key, value in server.metadata.items() if key != dropped} if keep else {}
    return await tx.update(SERVERS, server, metadata=now | metadata, updated_at=tx.clock.now())


async def set_tags(tx: Tx, call: Call, id: str, tags: tuple[str, ...]) -> Server:
    server = await ready(
        tx, call, id, "tags", states=("active", "paused", "suspended", "stopped"), tasks=None, lock_matters=False
    )
    return await tx.update(SERVERS, server, tags=tags, updated_at=tx.clock.now())
