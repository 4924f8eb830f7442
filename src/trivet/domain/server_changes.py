"""Changes to a server that are more than power: what it is called, its image, its size, its disk as an image."""

from types import EllipsisType
from typing import Any

from trivet.domain import server_placing
from trivet.domain.hosts import HOSTS
from trivet.domain.server_actions import Call
from trivet.domain.server_rules import ready
from trivet.domain.servers import SERVERS, Server
from trivet.errors import Conflict
from trivet.store.tx import Tx


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
    if server.zone is not None or host is None or (host.zone or server_placing.DEFAULT_ZONE) != zone:
        raise Conflict("zone.mismatch", f"Server {server.id} cannot be pinned to zone {zone}: it is not there.")
    return zone
