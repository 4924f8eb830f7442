"""Moving: a server that goes to another host, stopped, with its disks.

    leaving     the source stops it and hands its disks over; on the target there is only room
    arriving    the target makes it of those disks and boots it; the source keeps its own, and never starts it
    moved       it runs on the target and waits for a word: to stay, or to go back
    clearing    it stays: the source removes what it kept
    returning   it goes back: the target removes what it has, and only when it has said so the source may boot it

`host_id` is the one host that may run it; `other_host_id` the other. The claim of that other one belongs to the
migration until it is decided. Each step follows from a report, so whoever dies in between goes on from what is there.
"""

from operator import attrgetter
from typing import Any

import msgspec

from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.limits import quotas
from trivet.domain.network.ports import ports
from trivet.domain.placement import claims
from trivet.domain.placement.claims import Consumer
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import local_disks, migrations, server_groups
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.create import cost
from trivet.domain.servers.orders import Report
from trivet.domain.servers.placing import Spot
from trivet.domain.servers.server_groups import SERVER_GROUPS
from trivet.domain.servers.servers import SERVERS, FlavorOf, Move, Server, Stage
from trivet.domain.servers.topology import places
from trivet.domain.servers.words import ROOT_DISK
from trivet.domain.volumes import attachments
from trivet.store.tx import Tx

MOVE_S = 3600.0
"""For one half of the way: its disks out, or its disks in."""
LETTING_GO_S = 300.0
_ON_TWO: tuple[Stage, ...] = ("arriving", "moved", "clearing", "returning")
"""Something of it lies on the other host."""
_KEPT: tuple[Stage, ...] = ("arriving", "moved", "returning")
"""What lies there is its disk, and it may go back to it."""


def disks_of(server: Server) -> tuple[str, ...]:
    """What has to go with it; what was swapped to is nothing to keep."""
    root = () if server.boots_from_volume else (ROOT_DISK,)
    return (*root, *(disk.name for disk in server.local_disks if disk.format != "swap"))


def at_source(server: Server) -> Server:
    """The server as it is where it came from."""
    assert server.move is not None
    old = server.old_flavor or server.flavor
    return msgspec.structs.replace(
        server, flavor=old, local_disks=local_disks.reverted(server, old), builds=server.move.builds
    )


async def room(tx: Tx, server: Server, flavor: FlavorOf, where: Spot, id: str) -> Host | None:
    """Room for it on another host, taken for the server; what it has where it is belongs to its migration `id` from
    here on. None leaves all as it is."""
    where = await spot_of(tx, server, where)
    await tx.savepoint()
    await claims.take_turn(tx)
    if where.group is not None and server.host_id is not None:
        # What it has is taken hold of first, and only then its place in the group.
        await claims.replace(tx, [(_owner(server), await claims.held(tx, server.id))])
        await server_groups.leave(tx, where.group.id, server.id, server.host_id)
    host = await server_placing.claim(
        tx,
        id,
        server.project_id,
        server.user_id,
        kind=server.kind,
        flavor=server_placing.held(server, flavor),
        properties=server.properties,
        where=where,
    )
    if host is not None:
        await _swap_claims(tx, server, id)
    await (tx.undo() if host is None else tx.keep())
    return host


async def spot_of(tx: Tx, server: Server, where: Spot) -> Spot:
    """Where it may go, of these hosts: not to its own, where its volumes are, and by the rule of its group."""
    group = await tx.get(SERVER_GROUPS, server.group_id) if server.group_id is not None else None
    where = server_placing.within(where, await attachments.hosts_of(tx, server.id))
    return msgspec.structs.replace(where, group=group, excluded=where.excluded | {server.host_id or ""})


async def _swap_claims(tx: Tx, server: Server, id: str) -> None:
    here, there = await claims.held(tx, server.id), await claims.held(tx, id)
    swapped = await claims.replace(tx, [(_owner(server), there), (_holder(server, id), here)])
    assert swapped, "what one gives up the other takes"
    await places.swap(tx, server.id, id)


def _owner(server: Server) -> Consumer:
    return Consumer(id=server.id, project_id=server.project_id, user_id=server.user_id, type="INSTANCE")


def _holder(server: Server, id: str) -> Consumer:
    return Consumer(id=id, project_id=server.project_id, user_id=server.user_id, type="MIGRATION")


def begun(server: Server, host: Host, id: str, *, confirms: bool = False) -> dict[str, Any]:
    """What changes of a server that begins to move to a host where it has room."""
    move = Move(id, "leaving", server.builds, confirms=confirms)
    return {"other_host_id": host.id, "move": move, "old_flavor": server.flavor}


# -- what its hosts say


def is_mine(server: Server, host_id: str) -> bool:
    """Whether something of it is on the host, or shall be by now."""
    if server.host_id == host_id:
        return True
    return server.other_host_id == host_id and server.move is not None and server.move.stage in _ON_TWO


def undecided(server: Server) -> bool:
    """What the one host says that may run it does not settle it."""
    return server.move is not None and server.move.stage in ("leaving", "clearing", "returning")


async def said(tx: Tx, server: Server, report: Report) -> Server:
    """The host that may run it reports, while that alone does not settle it."""
    assert server.move is not None
    stage = server.move.stage
    if stage == "leaving" and report.power in ("stopped", "crashed") and _handed_over(server):
        return await _arrive(tx, server)
    if stage == "returning" and report.power is None:
        return await return_now(tx, server)
    return server


async def other_said(tx: Tx, server: Server, report: Report) -> Server:
    """The host that does not run it has removed what it had."""
    assert server.move is not None
    if report.power is not None or report.error is not None:
        return server
    if server.want == "gone":
        await migrations.ended(tx, server)
        return await let_go(tx, server)
    if server.move.stage == "clearing":
        return await let_go(tx, server)
    return server


def _handed_over(server: Server) -> bool:
    assert server.move is not None
    there = server.move.disks
    return all(name in there and there[name].sha512 is not None for name in disks_of(at_source(server)))


async def _arrive(tx: Tx, server: Server) -> Server:
    """Its disks are out and the source has stopped it: from this commit on it is the target's."""
    assert server.move is not None
    target = await tx.need(HOSTS, server.other_host_id or "", "host")
    await _bind(tx, server, target)
    await migrations.turn(tx, server, "post-migrating")
    builds = max(server.builds, server.builds_made) + 1
    now = tx.clock.now()
    return await tx.update(
        SERVERS,
        server,
        host_id=target.id,
        other_host_id=server.host_id,
        move=msgspec.structs.replace(server.move, stage="arriving"),
        task="resize_finish" if server.task is not None else None,
        builds=builds,
        builds_made=builds,
        boots=server.boots + 1 if server.want == "running" else server.boots,
        fault=None,
        deadline_at=now + MOVE_S if server.task is not None else None,
        updated_at=now,
    )


async def _bind(tx: Tx, server: Server, host: Host) -> None:
    for port in sorted(await ports.of_server(tx, server.id, server.project_id), key=attrgetter("id")):
        await ports.bind(tx, port, server_id=server.id, host_id=host.id, zone=host.zone or DEFAULT_ZONE)


async def arrived(tx: Tx, server: Server) -> Server:
    """It is where it should be; nobody needs the bytes any more that came with it."""
    if server.move is None or server.move.stage != "arriving":
        return server
    if server.move.confirms:
        return await clear(tx, server)
    return await tx.update(SERVERS, server, move=msgspec.structs.replace(server.move, stage="moved", disks={}))


# -- it stays


async def clear(tx: Tx, server: Server) -> Server:
    """It stays: the host that it left lets go, at once if it can say nothing. What is there when it comes back is a
    stray then, which its agent removes."""
    assert server.move is not None
    if not await _is_up(tx, server.other_host_id):
        return await let_go(tx, server)
    move = msgspec.structs.replace(server.move, stage="clearing", disks={})
    now = tx.clock.now()
    return await tx.update(SERVERS, server, move=move, old_flavor=None, deadline_at=now + LETTING_GO_S, updated_at=now)


async def let_go(tx: Tx, server: Server) -> Server:
    """Nothing of it is on the other host, or nothing that counts."""
    assert server.move is not None
    await claims.free(tx, server.move.id)
    await places.leave(tx, server.move.id)
    if server.move.confirms:
        await migrations.turn(tx, server, "confirmed")
    return await tx.update(SERVERS, server, move=None, other_host_id=None, old_flavor=None, updated_at=tx.clock.now())


async def _is_up(tx: Tx, host_id: str | None) -> bool:
    host = await tx.get(HOSTS, host_id) if host_id is not None else None
    return host is not None and hosts.is_up(host)


async def waits_for_other(tx: Tx, server: Server) -> bool:
    """Of a server that is deleted: whether the other host has yet to say that nothing is left there."""
    there = server.move is not None and server.move.stage in _ON_TWO
    return there and await _is_up(tx, server.other_host_id)


# -- it goes back


async def turn_back(tx: Tx, server: Server) -> Server:
    """The target is to remove it; nothing of it starts elsewhere before it has said so."""
    assert server.move is not None
    now = tx.clock.now()
    return await tx.update(
        SERVERS,
        server,
        move=msgspec.structs.replace(server.move, stage="returning", disks={}),
        task="resize_reverting",
        deadline_at=now + LETTING_GO_S + server.grace_s,
        updated_at=now,
    )


async def return_now(tx: Tx, server: Server) -> Server:
    """The host that ran it has nothing of it, or is dead for certain: it is the other's again, with the disk that this
    kept, under the number that it had."""
    assert server.move is not None
    home = await tx.need(HOSTS, server.other_host_id or "", "host")
    left, old = server.host_id or "", server.old_flavor or server.flavor
    await _give_back(tx, server, left, home.id)
    await _bind(tx, server, home)
    _back_in_quota(tx, server, old)
    now = tx.clock.now()
    there = at_source(server)
    return await tx.update(
        SERVERS,
        server,
        host_id=home.id,
        other_host_id=None,
        move=None,
        flavor=old,
        old_flavor=None,
        local_disks=there.local_disks,
        builds=there.builds,
        boots=server.boots + 1 if server.want == "running" else server.boots,
        task="resize_reverting",
        fault=None,
        deadline_at=now + LETTING_GO_S,
        updated_at=now,
    )


async def stay_home(tx: Tx, server: Server) -> Server:
    """It never left: the room on the target is given back, and it is what it was."""
    assert server.move is not None
    old = server.old_flavor or server.flavor
    await _give_back(tx, server, server.other_host_id or "", server.host_id or "")
    _back_in_quota(tx, server, old)
    return await tx.update(
        SERVERS,
        server,
        other_host_id=None,
        move=None,
        flavor=old,
        old_flavor=None,
        local_disks=local_disks.reverted(server, old),
        updated_at=tx.clock.now(),
    )


async def _give_back(tx: Tx, server: Server, left: str, home: str) -> None:
    """Room and place in the group on the host that it leaves; at home it has them again."""
    assert server.move is not None
    await _swap_claims(tx, server, server.move.id)
    await claims.free(tx, server.move.id)
    await places.leave(tx, server.move.id)
    if server.group_id is not None:
        await server_groups.leave(tx, server.group_id, server.id, left)
        await server_groups.come_back(tx, server.group_id, home)


def _back_in_quota(tx: Tx, server: Server, old: FlavorOf) -> None:
    before, after = cost(server.flavor), cost(old)
    quotas.at_end(tx, server.project_id, {name: after[name] - amount for name, amount in before.items()})


# -- it fails


async def give_up(tx: Tx, server: Server, why: str, *, alive: bool) -> Server | None:
    """What was going on with a server that moves has failed. None: nothing more is to be tried, and it ends in error.

    `alive`: the host that may run it has spoken.
    """
    assert server.move is not None
    stage = server.move.stage
    if stage == "clearing":
        # The room is free for others; what is left there goes when its agent looks around.
        server = await let_go(tx, server)
        return await tx.update(SERVERS, server, deadline_at=tx.clock.now() + LETTING_GO_S)
    if server.task is not None:
        await migrations.turn(tx, server, "error")
        await server_actions.finish(tx, server.id, why)
    if stage == "leaving":
        server = await stay_home(tx, server)
        return await _go_on(tx, server) if alive else None
    if stage == "arriving":
        return await turn_back(tx, server)
    return None


async def _go_on(tx: Tx, server: Server) -> Server:
    """It was stopped for nothing."""
    now = tx.clock.now()
    running = server.want == "running"
    return await tx.update(
        SERVERS,
        server,
        task="powering-on" if running else "powering-off",
        boots=server.boots + 1 if running else server.boots,
        deadline_at=now + LETTING_GO_S + server.grace_s,
        fault=None,
        updated_at=now,
    )


async def off_dead(tx: Tx, server: Server) -> Server:
    """Its host is dead for certain. What it left behind elsewhere is better than nothing."""
    if server.move is None:
        return server
    if server.task is not None:
        await migrations.turn(tx, server, "error")
        await server_actions.finish(tx, server.id, "The host where it was has failed.")
    if server.move.stage in _KEPT and await _is_up(tx, server.other_host_id):
        return await return_now(tx, server)
    if server.move.stage == "leaving":
        return await stay_home(tx, server)
    return await let_go(tx, server)
