"""Duties: work that one process at a time does for the whole cloud, taken by lease.

Every process offers to do every duty. Who gets a lease does the work until it stops renewing; the next
process takes over when the lease has ended. Nobody is elected, and a process that cannot reach the
database drops its duties before their leases end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from trivet.errors import TrivetError
from trivet.store import leases
from trivet.store.leases import Lease
from trivet.store.store import Store

_LEASE_S = 6.0
_RENEW_EVERY_S = 2.0
_PAUSE_AFTER_FAILURE_S = 1.0
_logger = logging.getLogger(__name__)

Work = Callable[[Lease], Awaitable[None]]
"""Runs until it is cancelled; starts from the records every time."""


class Duties:
    def __init__(self, store: Store, holder: str) -> None:
        self._store = store
        self._holder = holder
        self._offers: dict[str, Work] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._renewed_at = 0.0

    def offer(self, name: str, work: Work) -> None:
        self._offers[name] = work

    @property
    def held(self) -> list[str]:
        return sorted(self._running)

    async def run(self) -> None:
        try:
            while True:
                await self._round()
                await self._store.clock.sleep(_RENEW_EVERY_S)
        finally:
            await self._drop_all()

    async def _round(self) -> None:
        now = self._store.clock.monotonic()
        try:
            async with self._store.write() as tx:
                kept = await leases.renew_all(tx, self._holder, _LEASE_S) if self._running else set[str]()
                free = [name for name in self._offers if name not in self._running]
                taken = [await leases.take(tx, name, self._holder, _LEASE_S) for name in free]
        except TrivetError as error:
            _logger.warning("Leases cannot be renewed at the moment: %s", error)
            if now - self._renewed_at > _LEASE_S - _RENEW_EVERY_S:
                await self._drop_all()
            return
        self._renewed_at = now
        for name in set(self._running) - kept:
            _logger.warning("The lease of %s went to another process", name)
            await self._drop(name)
        for lease in taken:
            if lease is not None:
                self._running[lease.name] = asyncio.create_task(self._do(lease), name=lease.name)

    async def _do(self, lease: Lease) -> None:
        """One duty, begun again after it failed; the boundary where everything is caught."""
        while True:
            try:
                await self._offers[lease.name](lease)
            except Exception:
                _logger.exception("%s failed and begins again", lease.name)
            await self._store.clock.sleep(_PAUSE_AFTER_FAILURE_S)

    async def _drop(self, name: str) -> None:
        task = self._running.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _drop_all(self) -> None:
        for name in list(self._running):
            await self._drop(name)

    async def give_back(self) -> None:
        """On the way out: others need not wait for the leases to end."""
        names = self.held
        await self._drop_all()
        try:
            async with self._store.write() as tx:
                for name in names:
                    await leases.release(tx, name, self._holder)
        except TrivetError as error:
            _logger.warning("Leases were not given back: %s", error)
