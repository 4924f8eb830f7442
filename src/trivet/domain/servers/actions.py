"""Server actions: what was done to a server, by whom, and how it ended. Nova calls them instance actions.

An action is opened by the act that changes what is wanted, in its transaction, and closed when the row is
settled. It lives as long as the server's row, which outlives the server by a day: one can ask who deleted it.
"""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.secrets import Secrets
from trivet.domain.servers.servers import Server
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

NEWEST = (("started_at", True), ("id", True))
"""First."""
KEPT = 1000
"""The most actions that are kept of one server; the oldest go first."""
_SHOWN_S = 1e-6
"""Clients see microseconds of times that are kept finer: what they were shown must find the action again."""


class Call(msgspec.Struct, frozen=True):
    """Who asks, in which request, what the cloud demands of a container, and what opens its secrets."""

    caller: Caller
    request_id: str
    isolation: str = "namespaces"
    secrets: Secrets = msgspec.field(default_factory=Secrets)
    """For what the caller may read of the key manager."""


class ServerAction(Record, frozen=True, kw_only=True):
    server_id: str
    project_id: str
    user_id: str
    request_id: str
    action: str
    host_id: str | None = None
    started_at: float
    updated_at: float
    finished_at: float | None = None
    error: str | None = None


SERVER_ACTIONS = Table("server_actions", ServerAction, logged=False)


async def begin(
    tx: Tx, call: Call, server: Server, action: str, *, done: bool = False, error: str | None = None
) -> None:
    """Open an action; one that is `done` at once is closed, too."""
    now = tx.clock.now()
    await tx.insert(
        SERVER_ACTIONS,
        ServerAction(
            id=tx.ids.uuid(),
            server_id=server.id,
            project_id=server.project_id,
            user_id=call.caller.user_id,
            request_id=call.request_id,
            action=action,
            host_id=server.host_id,
            started_at=now,
            updated_at=now,
            finished_at=now if done or error else None,
            error=error,
        ),
    )
    if action == "create":
        return  # It is the first one.
    await tx.run(
        "DELETE FROM server_actions WHERE server_id = ? AND finished_at IS NOT NULL AND started_at <="
        " (SELECT started_at FROM server_actions WHERE server_id = ? ORDER BY started_at DESC LIMIT 1 OFFSET ?)",
        server.id,
        server.id,
        KEPT,
    )


async def finish(tx: Tx, server_id: str, error: str | None = None) -> None:
    """Close whatever is open on the server."""
    now = tx.clock.now()
    await tx.run(
        "UPDATE server_actions SET finished_at = ?, updated_at = ?, error = ?"
        " WHERE server_id = ? AND finished_at IS NULL",
        now,
        now,
        error,
        server_id,
    )


async def history(
    tx: Tx, server_id: str, asked: Asked, *, since: float | None, before: float | None
) -> list[ServerAction]:
    seen = Where().equal("server_id", server_id)
    where = seen.copy()
    if since is not None:
        where.add("updated_at >= ?", since - _SHOWN_S)
    if before is not None:
        where.add("updated_at <= ?", before + _SHOWN_S)
    return await lists.page(tx, SERVER_ACTIONS, where, asked, seen=seen)


async def by_request(tx: Tx, server_id: str, request_id: str) -> ServerAction | None:
    return await tx.find(SERVER_ACTIONS, "server_id = ? AND request_id = ?", server_id, request_id)
