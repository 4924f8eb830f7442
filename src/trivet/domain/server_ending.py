"""How a server ends: everything it held is given back in the transaction that says it is gone."""

from trivet.domain import ports, quotas, server_actions, server_placing
from trivet.domain.server_create import cost
from trivet.domain.servers import SERVERS, Server
from trivet.store.tx import Tx

KEEP_S = 24 * 3600.0
"""How long a deleted server stays as a row, for clients that ask what changed."""


async def finish_delete(tx: Tx, server: Server) -> Server:
    """Nothing of it is on a host any more, or never was."""
    # In the order in which it was taken (server_create.py). Room and quota are held together or not at all.
    if server.host_id is not None:
        await server_placing.leave(tx, server)
    await ports.release(tx, server.id)
    if server.host_id is not None:
        await quotas.give_back(tx, server.project_id, cost(server.flavor))
    await server_actions.finish(tx, server.id)
    return await tx.update(
        SERVERS,
        server,
        status="deleted",
        task=None,
        power="none",
        want="gone",
        deadline_at=None,
        deleted_at=tx.clock.now(),
        updated_at=tx.clock.now(),
    )


async def forget_deleted(tx: Tx) -> int:
    """Drop the rows of servers that were deleted long ago."""
    return await tx.run("DELETE FROM servers WHERE deleted_at < ?", tx.clock.now() - KEEP_S)
