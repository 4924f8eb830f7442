"""Draining: a host gives up all that it has, a few servers at a time, so that it can be switched off.

From the first moment it takes nothing new. What cannot be moved as it is stays and is told with the reason, and what
failed to move once is not stopped for nothing again: asking once more tries once more.
"""

import msgspec

from trivet.domain.callers import Caller, expanded
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.servers import departures, shelving
from trivet.domain.servers.actions import Call
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import NotFound, TrivetError
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

AT_ONCE = 4
"""Servers that leave one host at the same time: they share its disk and its network."""
_MOST_TOLD = 1_000
_CLOUD = Call(Caller(user_id="", roles=expanded(("admin",)), system=True), "")
_FAILED_BEFORE = (
    "NOT EXISTS (SELECT 1 FROM server_migrations m WHERE m.server_id = servers.id AND m.status = 'error'"
    " AND m.created_at >= ?)"
)
_MOVES_FAILED = "Its move failed, and its actions say why; drain the host once more to try again."


class HostDrain(Record, frozen=True, kw_only=True):
    """`id` is the host's."""

    created_at: float
    ended_at: float | None = None
    """When nothing was left."""
    troubles: dict[str, str] = {}
    """Server -> why it found no other host, when that was tried last."""


HOST_DRAINS = Table("host_drains", HostDrain)


class Staying(msgspec.Struct, frozen=True):
    """A server that does not leave by itself."""

    server_id: str
    name: str
    why: str


class Progress(msgspec.Struct, frozen=True):
    drain: HostDrain
    left: int
    """Servers that are on the host."""
    moving: int
    staying: tuple[Staying, ...]


async def begin(tx: Tx, host: Host) -> HostDrain:
    """Also once more: what failed before is tried again."""
    if host.enabled:
        await hosts.switch(tx, host, enabled=False, reason="It is being drained.")
    now, known = tx.clock.now(), await tx.get(HOST_DRAINS, host.id)
    if known is None:
        return await tx.insert(HOST_DRAINS, HostDrain(id=host.id, created_at=now))
    return await tx.update(HOST_DRAINS, known, created_at=now, ended_at=None, troubles={})


async def end(tx: Tx, host: Host) -> None:
    """Nothing more leaves. The host stays closed until somebody opens it."""
    await tx.delete(HOST_DRAINS, await needed(tx, host))


async def needed(tx: Tx, host: Host) -> HostDrain:
    found = await tx.get(HOST_DRAINS, host.id)
    if found is None:
        raise NotFound("drain.absent", f"Host {host.name} is not being drained.")
    return found


async def progress(tx: Tx, host: Host) -> Progress:
    drain = await needed(tx, host)
    here = await tx.select(SERVERS, _here(host.id), order="created_at, id", limit=_MOST_TOLD)
    kept = await tx.select(SERVERS, Where().equal("other_host_id", host.id).add("deleted_at IS NULL"), limit=_MOST_TOLD)
    failed = await _failed(tx, drain)
    staying = [
        *(Staying(server.id, server.name, why) for server in here if (why := _why(drain, server, failed)) is not None),
        *(Staying(server.id, server.name, _KEPT) for server in kept if server.move and server.move.stage == "moved"),
    ]
    leaving = sum(server.move is not None for server in here)
    coming = sum(server.move is not None and server.move.stage in ("arriving", "clearing") for server in kept)
    return Progress(drain, len(here), leaving + coming, tuple(staying))


_KEPT = "It has moved, and its old disk is kept here until the move is confirmed or reverted."


def _why(drain: HostDrain, server: Server, failed: set[str]) -> str | None:
    if server.task is not None or server.status == "shelved":
        return None
    if server.kind == "metal":
        return "A physical machine does not move; delete it."
    if server.status == "resized":
        return "It waits for its resize to be confirmed or reverted."
    if server.status not in ("active", "stopped"):
        return f"It is {server.status}, and only what runs or is stopped moves."
    return _MOVES_FAILED if server.id in failed else drain.troubles.get(server.id)


def _here(host_id: str) -> Where:
    return Where().equal("host_id", host_id).add("deleted_at IS NULL AND want <> 'gone'")


async def _failed(tx: Tx, drain: HostDrain) -> set[str]:
    where = _here(drain.id).add(f"NOT {_FAILED_BEFORE}", drain.created_at)
    return {server.id for server in await tx.select(SERVERS, where, limit=_MOST_TOLD)}


# -- for the controller


async def open_ones(tx: Tx) -> list[str]:
    return [str(row[0]) for row in await tx.rows("SELECT id FROM host_drains WHERE ended_at IS NULL ORDER BY id")]


async def next_ones(tx: Tx, host_id: str) -> list[str]:
    """Servers that can leave now; what found no host before comes last."""
    drain = await tx.get(HOST_DRAINS, host_id)
    if drain is None or drain.ended_at is not None:
        return []
    row = await tx.row(
        "SELECT COUNT(*) FROM servers WHERE (host_id = ? OR other_host_id = ?) AND deleted_at IS NULL"
        " AND task IN ('resize_prep', 'resize_finish', 'resize_reverting', 'shelving_offloading')",
        host_id,
        host_id,
    )
    places = AT_ONCE - int(row[0] if row is not None else 0)
    where = _here(host_id).add("task IS NULL AND kind <> 'metal' AND status IN ('active', 'stopped', 'shelved')")
    where.add(_FAILED_BEFORE, drain.created_at)
    ready = await tx.select(SERVERS, where, order="created_at, id", limit=_MOST_TOLD)
    return [server.id for server in sorted(ready, key=lambda server: server.id in drain.troubles)][: max(places, 0)]


async def send_away(tx: Tx, host_id: str, server_id: str) -> None:
    server = await tx.get(SERVERS, server_id)
    drain = await tx.get(HOST_DRAINS, host_id)
    if server is None or drain is None or server.host_id != host_id or server.task is not None:
        return
    if server.status == "shelved":
        await shelving.begin_offload(tx, server)
    else:
        await departures.migrate(tx, _CLOUD, server_id, None, confirms=True)


async def stays(tx: Tx, host_id: str, server_id: str, error: TrivetError) -> None:
    """It found no other host; it is tried again."""
    drain = await tx.get(HOST_DRAINS, host_id)
    if drain is not None and len(drain.troubles) < _MOST_TOLD:
        await tx.update(HOST_DRAINS, drain, troubles=drain.troubles | {server_id: error.message})


async def close_empty(tx: Tx, host_id: str) -> None:
    """Nothing is left of any server."""
    drain, host = await tx.get(HOST_DRAINS, host_id), await tx.get(HOSTS, host_id)
    left = await tx.row(
        "SELECT 1 FROM servers WHERE (host_id = ? OR other_host_id = ?) AND deleted_at IS NULL LIMIT 1",
        host_id,
        host_id,
    )
    if drain is not None and host is not None and drain.ended_at is None and left is None:
        await tx.update(HOST_DRAINS, drain, ended_at=tx.clock.now(), troubles={})
