"""Usage: what the servers of projects have used over a span of time, reckoned from their rows."""

import msgspec

from trivet.domain.servers.servers import SERVERS, SIZED, Server
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tx import Tx
from trivet.store.where import Where

HOUR_S = 3600.0


class ServerUsage(msgspec.Struct, frozen=True):
    server: Server
    hours: float
    """That lie within the span."""


async def within(tx: Tx, start: float, end: float, asked: Asked, *, project_id: str | None) -> list[ServerUsage]:
    """Servers that were up at some time of the span."""
    seen = Where() if project_id is None else Where().equal("project_id", project_id)
    where = seen.copy().add(
        "launched_at IS NOT NULL AND launched_at < ? AND (deleted_at IS NULL OR deleted_at > ?)", end, start
    )
    now = tx.clock.now()
    found = []
    for server in await lists.page(tx, SERVERS, where, asked, seen=seen):
        assert server.launched_at is not None
        until = min(end, server.deleted_at or now)
        found.append(ServerUsage(server, max(until - max(start, server.launched_at), 0.0) / HOUR_S))
    return found


async def taken_by_user(tx: Tx, project_id: str, user_id: str) -> dict[str, int]:
    """What one user has taken of a project, of that which is counted by user.

    A server takes of it while it has a host or waits on the shelf, as it does of the project; not when it was deleted.
    """
    where = Where().equal("project_id", project_id).equal("user_id", user_id)
    groups = await tx.row(f"SELECT COUNT(*) FROM server_groups{where.sql}", *where.values)
    assert groups is not None
    found = await tx.select(
        SERVERS,
        where.add(
            "(host_id IS NOT NULL OR status = 'shelved_offloaded') AND deleted_at IS NULL AND reclaim_at IS NULL"
        ),
    )
    return {
        "servers": len(found),
        "class:VCPU": sum(server.flavor.vcpus for server in found),
        "class:MEMORY_MB": sum(server.flavor.ram_mib for server in found),
        "class:DISK_GB": sum(server.flavor.disk_gib for server in found if server.flavor.id == SIZED),
        "server_groups": int(groups[0]),
    }
