"""Servers: what no agent can do for them: end what takes too long, offload what is shelved, reclaim and forget
what was deleted.

Each late server is ended in a transaction of its own, so that one that cannot be ended holds up no other.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from trivet.controllers.pauses import Pauses
from trivet.controllers.servers.deadlines import Deadlines
from trivet.controllers.servers.drains import Drains
from trivet.domain.servers import shelving, soft_deletion
from trivet.domain.servers import state as reports
from trivet.domain.servers.ending import KEEP_S, forget_deleted
from trivet.domain.servers.servers import SERVERS
from trivet.drivers.contracts.foreseen import Unforeseen, foreseen
from trivet.errors import Busy
from trivet.store.leases import Lease, Lost, fence
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_LOOK_EVERY_S = 5.0
_LONGEST_GAP_S = 4 * _LOOK_EVERY_S
_WATCHED = 5000
"""At a time, the next to end first."""
_BATCH = 100


class ServerController:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._pauses = Pauses(store.clock)
        self._deadlines = Deadlines(store.clock, _LONGEST_GAP_S)
        self._drains = Drains(store)

    async def run(self, lease: Lease) -> None:
        while True:
            await self.step(lease)
            await self._drains.step(lease)
            await self._store.clock.sleep(_LOOK_EVERY_S)

    async def step(self, lease: Lease) -> None:
        async with self._store.read() as tx:
            rows = await tx.rows(
                "SELECT id, deadline_at FROM servers WHERE deadline_at > 0 ORDER BY deadline_at LIMIT ?",
                _WATCHED + len(self._pauses),
            )
            old = await tx.row("SELECT 1 FROM servers WHERE deleted_at < ? LIMIT 1", tx.clock.now() - KEEP_S)
            waiting = await tx.rows(
                "SELECT id FROM servers WHERE offload_at <= ? AND status = 'shelved' AND task IS NULL"
                " ORDER BY offload_at LIMIT ?",
                tx.clock.now(),
                _BATCH,
            )
            reclaimed = await tx.rows(
                "SELECT id FROM servers WHERE reclaim_at <= ? AND task IS NULL AND want <> 'gone'"
                " ORDER BY reclaim_at LIMIT ?",
                tx.clock.now(),
                _BATCH,
            )
        open = {str(id): float(at) for id, at in rows}
        late = self._deadlines.passed(open.items())
        self._pauses.forget_all_but(late)
        for id in filter(self._pauses.over, late):
            await self._end(lease, id, open[id])
        for row in waiting:
            await self._one(str(row[0]), lambda tx, id=row[0]: _offload(tx, lease, str(id)))  # type: ignore[misc]
        for row in reclaimed:
            await self._one(str(row[0]), lambda tx, id=row[0]: _reclaim(tx, lease, str(id)))  # type: ignore[misc]
        if old is not None:
            await transact(self._store, lambda tx: _forget(tx, lease))

    async def _one(self, id: str, act: Callable[[Tx], Awaitable[None]]) -> None:
        with suppress(Unforeseen):
            await foreseen(f"server {id}", transact(self._store, act), Busy, Lost)

    async def _end(self, lease: Lease, id: str, at: float) -> None:
        try:
            await foreseen(f"server {id}", transact(self._store, lambda tx: _fail(tx, lease, id, at)), Busy, Lost)
        except Unforeseen:
            self._pauses.begin(id)


async def _offload(tx: Tx, lease: Lease, id: str) -> None:
    await fence(tx, lease)
    server = await tx.get(SERVERS, id)
    if server is not None and server.task is None and shelving.is_due(server, tx.clock.now()):
        await shelving.begin_offload(tx, server)


async def _reclaim(tx: Tx, lease: Lease, id: str) -> None:
    await fence(tx, lease)
    await soft_deletion.reclaim(tx, id)


async def _fail(tx: Tx, lease: Lease, id: str, at: float) -> None:
    await fence(tx, lease)
    server = await tx.get(SERVERS, id)
    if server is not None and server.deadline_at == at:
        await reports.end_late(tx, server)


async def _forget(tx: Tx, lease: Lease) -> None:
    await fence(tx, lease)
    await forget_deleted(tx)
