"""Migrations of servers: a resize, from what was asked to how it ended. Operators follow them; they decide nothing.

They live as long as the row of their server, and of one server only so many are kept.
"""

from typing import Literal, NamedTuple

import msgspec

from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.servers.actions import Call
from trivet.domain.servers.servers import FlavorOf, Server
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tx import Tx
from trivet.store.where import Where

Status = Literal[
    "migrating", "post-migrating", "done", "finished", "confirming", "confirmed", "reverting", "reverted", "error",
]  # fmt: skip
Type = Literal["migration", "resize", "evacuation"]
_FIELDS = (
    "number", "id", "server_id", "project_id", "user_id", "type", "status", "source", "target", "target_address",
    "old_flavor_id", "new_flavor_id", "created_at", "updated_at",
)  # fmt: skip
NEWEST = (("created_at", True), ("number", True))
"""First."""
_KEPT = 100
"""The most migrations that are kept of one server."""
_SHOWN_S = 1e-6
"""Clients see microseconds of times that are kept finer."""
_ENDS: dict[str, tuple[Status, Status]] = {
    "rebuilding": ("migrating", "done"),
    "resize_prep": ("migrating", "finished"),
    "resize_finish": ("post-migrating", "finished"),
    "resize_confirming": ("confirming", "confirmed"),
    "resize_reverting": ("reverting", "reverted"),
}
"""Task of the server -> its migration while it lasts, and once it is done."""


class _Way(NamedTuple):
    type: Type
    source: Host | None
    target: Host | None
    id: str | None = None


class Migration(msgspec.Struct, frozen=True):
    number: int
    id: str
    server_id: str
    project_id: str
    """The project of the caller who asked for the migration."""
    user_id: str
    type: str
    status: str
    source: str
    target: str
    """Names of hosts."""
    target_address: str
    old_flavor_id: str
    new_flavor_id: str
    created_at: float
    updated_at: float


class MigrationQuery(msgspec.Struct, frozen=True, kw_only=True):
    equal: dict[str, str] = {}
    host: str | None = None
    """A host: migrations from it or to it are found."""
    changed_since: float | None = None
    changed_before: float | None = None


async def begin(tx: Tx, call: Call, server: Server, flavor: FlavorOf) -> None:
    """A resize, on the host where the server is."""
    host = await tx.get(HOSTS, server.host_id) if server.host_id is not None else None
    await _begin(tx, call, server, _Way("resize", host, host), flavor)


async def left(tx: Tx, call: Call, server: Server, target: Host, flavor: FlavorOf, *, id: str) -> Type:
    """A server leaves its host for another, with its flavor or with a new one."""
    type: Type = "migration" if flavor == server.flavor else "resize"
    source = await tx.get(HOSTS, server.host_id) if server.host_id is not None else None
    await _begin(tx, call, server, _Way(type, source, target, id), flavor)
    return type


async def evacuated(tx: Tx, call: Call, server: Server, source: Host, target: Host) -> None:
    await _begin(tx, call, server, _Way("evacuation", source, target), server.flavor)


async def _begin(tx: Tx, call: Call, server: Server, way: _Way, flavor: FlavorOf) -> None:
    type, source, target = way.type, way.source, way.target
    now = tx.clock.now()
    values = (
        way.id or tx.ids.uuid(), server.id, call.caller.project_id or "", call.caller.user_id, type, "migrating",
        source.name if source else "", target.name if target else "", target.address if target else "",
        server.flavor.id, flavor.id, now, now,
    )  # fmt: skip
    marks = ", ".join("?" for _ in values)
    await tx.run(f"INSERT INTO server_migrations ({', '.join(_FIELDS[1:])}) VALUES ({marks})", *values)
    await tx.run(
        "DELETE FROM server_migrations WHERE server_id = ? AND number <="
        " (SELECT number FROM server_migrations WHERE server_id = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
        server.id,
        server.id,
        _KEPT,
    )


async def turn(tx: Tx, server: Server, status: Status) -> None:
    """Moves the server's current migration, if there is one, to its next state."""
    await tx.run(
        "UPDATE server_migrations SET status = ?, updated_at = ? WHERE server_id = ?"
        " AND status IN ('migrating', 'post-migrating', 'finished', 'confirming', 'reverting')",
        status,
        tx.clock.now(),
        server.id,
    )


async def settled(tx: Tx, server: Server) -> None:
    """The server's task is done."""
    ends = _ENDS.get(server.task or "")
    if ends is not None:
        await turn(tx, server, ends[1])


async def failed(tx: Tx, server: Server) -> None:
    """The server's task came to nothing."""
    if server.task in _ENDS:
        await turn(tx, server, "error")


async def ended(tx: Tx, server: Server) -> None:
    """The server is gone: what was done and only waited to be decided stays done."""
    if server.move is not None and server.move.stage in ("leaving", "arriving", "returning"):
        await turn(tx, server, "error")
    elif server.old_flavor is not None:
        await turn(tx, server, "error" if server.task == "resize_prep" else "confirmed")


async def page(tx: Tx, query: MigrationQuery, asked: Asked) -> list[Migration]:
    where = Where()
    for column, value in query.equal.items():
        where.equal(column, value)
    if query.host is not None:
        where.add("(source = ? OR target = ?)", query.host, query.host)
    if query.changed_since is not None:
        where.add("updated_at >= ?", query.changed_since - _SHOWN_S)
    if query.changed_before is not None:
        where.add("updated_at <= ?", query.changed_before + _SHOWN_S)
    rows = await lists.rows(tx, "server_migrations", _FIELDS, where, asked, seen=Where())
    return [Migration(*row) for row in rows]


async def of_server(tx: Tx, server_id: str, number: int) -> Migration | None:
    row = await tx.row(
        f"SELECT {', '.join(_FIELDS)} FROM server_migrations WHERE server_id = ? AND number = ?", server_id, number
    )
    return Migration(*row) if row is not None else None
