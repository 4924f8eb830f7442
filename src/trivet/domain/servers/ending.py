"""How a server ends: everything it held is given back in the transaction that says it is gone."""

from trivet.domain.limits import quotas
from trivet.domain.network.groups import security_groups
from trivet.domain.network.ports import ports
from trivet.domain.placement import claims
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import migrations, shelved_images
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.create import cost
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.volumes import acts as volume_acts
from trivet.store.tx import Tx
from trivet.store.where import Where

KEEP_S = 24 * 3600.0
"""How long a deleted server stays as a row, for clients that ask what changed."""
GONE_S = 300.0
"""How long its host may take to remove it."""
_FORGOTTEN = 500
"""At a time: nobody waits behind it, and the next round takes the next."""


async def begin_delete(tx: Tx, server: Server) -> Server:
    """Its host takes everything of it away, without waiting for it."""
    now = tx.clock.now()
    return await tx.update(
        SERVERS, server, want="gone", task="deleting", grace_s=0.0, deadline_at=now + GONE_S, updated_at=now
    )


async def finish_delete(tx: Tx, server: Server) -> Server:
    """Nothing of it is on a host any more, or never was."""
    # In the order in which it was taken (server_create.py). Room and quota are held together or not at all; only
    # what is shelved and off its host keeps its quota.
    if server.host_id is not None:
        await server_placing.leave(tx, server)
    if server.move is not None:
        await claims.free(tx, server.move.id)
    await shelved_images.drop(tx, server)
    own = server.own_group_id
    group = await security_groups.take_away(tx, own, server.id) if own is not None else None
    await ports.release(tx, server.id, server.project_id)
    if own is not None:
        await security_groups.taken_away(tx, own, group)
    await volume_acts.server_gone(tx, server.id)
    if server.reclaim_at is None and (server.host_id is not None or server.status == "shelved_offloaded"):
        quotas.at_end(tx, server.project_id, cost(server.flavor, -1))
    await migrations.ended(tx, server)
    await server_actions.finish(tx, server.id)
    return await tx.update(
        SERVERS,
        server,
        status="deleted",
        task=None,
        power="none",
        move=None,
        other_host_id=None,
        want="gone",
        deadline_at=None,
        reclaim_at=None,
        deleted_at=tx.clock.now(),
        updated_at=tx.clock.now(),
    )


async def forget_deleted(tx: Tx) -> int:
    """Drop some of the servers that were deleted long ago, and what was done to them; how many they were."""
    rows = await tx.rows(
        "SELECT id FROM servers WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?", tx.clock.now() - KEEP_S, _FORGOTTEN
    )
    for table, column in (("server_actions", "server_id"), ("server_migrations", "server_id"), ("servers", "id")):
        where = Where().any_of(column, sorted(str(row[0]) for row in rows))
        await tx.run(f"DELETE FROM {table}{where.sql}", *where.values)
    return len(rows)
