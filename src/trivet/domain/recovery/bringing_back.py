"""Bringing back: what was on a host that has failed and is fenced, server by server, each in its own transaction."""

from trivet.domain.callers import Caller, expanded
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.recovery import members, policy, vmoves
from trivet.domain.recovery.policy import Wish
from trivet.domain.recovery.segments import HA_SEGMENTS
from trivet.domain.recovery.vmoves import Outcome
from trivet.domain.servers import evacuation, moving, state
from trivet.domain.servers.actions import Call
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import TrivetError
from trivet.store.tx import Tx
from trivet.store.where import Where

_RESTING = ("shelved", "shelved_offloaded", "soft-delete", "deleted")
_CLOUD = Call(Caller(user_id="", roles=expanded(("admin",)), system=True), "")
"""Nobody asked: the cloud does it by itself."""
_LOST = (
    "Its host {host} has failed, and its disk with it. It comes back with the host; or rebuild it, or say with the "
    f"metadata {policy.KEY}=rebuild that it is made anew from its image in such a case."
)
_NO_ROOM = "Its host {host} has failed, and no other host has room for it."


async def waiting(tx: Tx, host_id: str) -> list[Server]:
    """What is still there, those first that are to come back first."""
    where = Where().equal("host_id", host_id).add("deleted_at IS NULL AND want <> 'gone'").none_of("status", _RESTING)
    found = await tx.select(SERVERS, where, order="created_at, id")
    return sorted(found, key=policy.priority_of)


async def spared(tx: Tx, host: Host) -> str | None:
    """Why nothing of this host is brought back by itself, if so."""
    member = await members.of_name(tx, host.name)
    if member is None:
        return None
    if member.on_maintenance:
        return "The host is under maintenance."
    segment = await tx.get(HA_SEGMENTS, member.segment_id)
    return None if segment is None or segment.enabled else "Its segment is disabled."


async def bring_back(tx: Tx, server_id: str, source: Host, default: Wish) -> Outcome | None:
    """None: it is not there any more."""
    server = await tx.get(SERVERS, server_id)
    if server is None or server.host_id != source.id or server.deleted_at is not None or server.want == "gone":
        return None
    if server.reclaim_at is not None:
        return Outcome(None, "It was deleted.", ignored=True)
    wish = policy.wish_of(server, default)
    if wish == "off":
        return Outcome(None, "It is to stay with its host.", ignored=True)
    if server.move is not None:
        server = await moving.off_dead(tx, server)
        if server.host_id != source.id:
            return await _arriving(tx, server)
    if wish == "move" and policy.lost_with_host(server):
        why = _LOST.format(host=source.name)
        await state.fail(tx, server, why)
        return Outcome(None, why)
    if server.task is not None or server.status not in evacuation.STATES:
        server = await state.fail(tx, server, f"Its host {source.name} has failed.")
    for target in [*await _reserved(tx, source), None]:
        try:
            moved = await evacuation.leave_dead(tx, _CLOUD, server, source, target, stays_stopped=False)
        except TrivetError:
            if target is None:
                raise
            continue
        if moved.host_id != source.id:
            return await _arriving(tx, moved)
    why = _NO_ROOM.format(host=source.name)
    await state.fail(tx, await tx.need(SERVERS, server.id, "server"), why)
    return Outcome(None, why)


async def _arriving(tx: Tx, server: Server) -> Outcome:
    return Outcome((await tx.need(HOSTS, server.host_id or "", "host")).name, "")


async def _reserved(tx: Tx, source: Host) -> list[str]:
    """Names of spare hosts to try first, which are open for what comes from now on."""
    member = await members.of_name(tx, source.name)
    segment = await tx.get(HA_SEGMENTS, member.segment_id) if member is not None else None
    if segment is None or segment.recovery_method == "auto":
        return []
    return [spare.name for spare in await members.reserved_of(tx, segment.id) if spare.name != source.name]


async def open_spares(tx: Tx, source: Host) -> None:
    """Spare hosts are closed to everybody until one is needed."""
    for name in await _reserved(tx, source):
        host = await tx.find(HOSTS, "name = ?", name)
        member = await members.of_name(tx, name)
        if host is not None and member is not None and hosts.is_up(host):
            if not host.enabled:
                await hosts.switch(tx, host, enabled=True, reason=None)
            return


async def took_in(tx: Tx, name: str) -> None:
    """A spare host that has taken something in is spare no more."""
    member = await members.of_name(tx, name)
    if member is not None and member.reserved:
        await members.used_up(tx, member)


async def settle_moves(tx: Tx, notification_id: str) -> bool:
    """Whether every move of a notification has ended; those whose server has arrived end here."""
    open_left = False
    for move in await vmoves.of(tx, notification_id):
        if move.status not in ("pending", "ongoing"):
            continue
        server = await tx.get(SERVERS, move.server_id)
        if server is None or server.deleted_at is not None:
            await vmoves.turn(tx, move, "ignored", message="The server was deleted meanwhile.")
        elif move.status == "ongoing" and server.task is None:
            arrived = server.status != "error"
            why = server.fault.message if server.fault is not None else None
            await vmoves.turn(tx, move, "succeeded" if arrived else "failed", message=None if arrived else why)
        else:
            open_left = True
    return not open_left
