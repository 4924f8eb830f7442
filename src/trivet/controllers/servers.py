"""Servers: what no agent can do for them: end what takes too long, and forget what was deleted long ago."""

from trivet.domain import reports
from trivet.domain.server_ending import forget_deleted
from trivet.domain.servers import SERVERS
from trivet.store.leases import Lease, fence
from trivet.store.store import Store, transact
from trivet.store.tx import Tx
from trivet.store.where import Where

_LOOK_EVERY_S = 5.0
_BATCH = 100


class ServerController:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, lease: Lease) -> None:
        while True:
            await self.step(lease)
            await self._store.clock.sleep(_LOOK_EVERY_S)

    async def step(self, lease: Lease) -> None:
        async with self._store.read() as tx:
            late = await tx.select(SERVERS, Where().add("deadline_at < ?", tx.clock.now()), limit=_BATCH)
            old = await tx.row("SELECT 1 FROM servers WHERE deleted_at < ? LIMIT 1", tx.clock.now() - 24 * 3600)
        if not late and old is None:
            return

        async def act(tx: Tx) -> None:
            await fence(tx, lease)
            await forget_deleted(tx)
            for known in late:
                server = await tx.get(SERVERS, known.id)
                if server is not None and server.deadline_at is not None and server.deadline_at < tx.clock.now():
                    why = (
                        f"The host did not finish {server.task or 'its work'} in time; try again or rebuild the server."
                    )
                    await reports.fail(tx, server, why)

        await transact(self._store, act)
