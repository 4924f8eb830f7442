"""Duties: work that one process at a time does for the whole cloud, taken by lease.

Every process offers to do every duty. Who gets a lease does the work until it stops renewing; the next
process takes over when the lease has ended. Nobody is elected, and a process that cannot reach the
database drops its duties before their leases end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from trivet.clock import pause_s
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import Busy, TrivetError
from trivet.store import leases
from trivet.store.leases import Lease, Lost, Sightings
from trivet.store.store import Store

_LEASE_S = 6.0
_RENEW_EVERY_S = 2.0
_MARGIN_S = 1.0
_LET_GO_S = 2.0
_RAN_WELL_S = 30.0
_logger = logging.getLogger(__name__)

Work = Callable[[Lease], Awaitable[None]]
"""Runs until it is cancelled; starts from the records every time."""


class Duties:
    def __init__(self, store: Store, holder: str, died: Callable[[str], bool] = lambda holder: False) -> None:
        """`died` says of whom it is certain that they hold nothing any more."""
        self._store = store
        self._holder = holder
        self._offers: dict[str, Work] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._sightings = Sightings(store.clock, _LEASE_S, died)
        self._ours_until = 0.0
        """The moment by which each duty that was not renewed has been dropped: another process may take it soon
        after."""
        self._leaving = False

    def offer(self, name: str, work: Work) -> None:
        self._offers[name] = work

    @property
    def held(self) -> list[str]:
        return sorted(self._running)

    async def run(self) -> None:
        try:
            while not self._leaving:
                await self._round()
                await self._store.clock.sleep(_RENEW_EVERY_S)
        finally:
            await self._drop(list(self._running))

    async def _round(self) -> None:
        """Whatever happens here, there is a next round: who never asks again does no duty until it is restarted."""
        now = self._store.clock.monotonic()
        # One that was told by its fence that it came too late has ended by itself, and is free for whoever is first.
        self._running = {name: task for name, task in self._running.items() if not task.done()}
        try:
            # A database that neither answers nor refuses is away, too.
            async with asyncio.timeout(max(self._ours_until - now, _RENEW_EVERY_S)):
                kept, taken = await foreseen("leases", self._renew(), TrivetError)
        except (TrivetError, DriverError, TimeoutError) as error:
            _logger.warning("Leases cannot be renewed at the moment: %s", str(error) or "the database does not answer")
            if self._store.clock.monotonic() + _RENEW_EVERY_S > self._ours_until:
                await self._drop(list(self._running))
            return
        self._ours_until = now + _LEASE_S - _MARGIN_S
        lost = set(self._running) - kept
        if lost:
            _logger.warning("These leases went to another process: %s", ", ".join(sorted(lost)))
            await self._drop(lost)
        for lease in taken:
            if lease is not None:
                self._running[lease.name] = asyncio.create_task(self._do(lease), name=lease.name)

    async def _renew(self) -> tuple[set[str], list[Lease | None]]:
        """(names that are still ours, leases of what nobody did)"""
        async with self._store.write() as tx:
            kept = await leases.renew_all(tx, self._holder, _LEASE_S) if self._running else set[str]()
            free = [name for name in self._offers if name not in self._running]
            return kept, [await leases.take(tx, name, self._holder, _LEASE_S, self._sightings) for name in free]

    async def _do(self, lease: Lease) -> None:
        """One duty, begun again after it failed: soon, and ever later if it does nothing but fail."""
        clock = self._store.clock
        failures = 0
        while True:
            began = clock.monotonic()
            try:
                await foreseen(lease.name, _in_one_word(self._offers[lease.name](lease)), Lost, Busy)
            except Lost as error:
                _logger.warning("%s ends here: %s", lease.name, error)
                return
            except (Busy, DriverError) as error:
                _logger.warning("%s was cut short: %s", lease.name, error)
            failures = failures + 1 if clock.monotonic() - began < _RAN_WELL_S else 1
            _logger.warning("%s begins again in %g s", lease.name, pause_s(failures))
            await clock.sleep(pause_s(failures))

    async def _drop(self, names: Collection[str]) -> None:
        """All at once, and whoever does not let go in time is left to its fences: the others' leases do not wait."""
        dropped = {task for name in names if (task := self._running.pop(name, None)) is not None}
        for task in dropped:
            task.cancel()
        if not dropped:
            return
        _, left = await asyncio.wait(dropped, timeout=_LET_GO_S)
        for task in left:
            _logger.error("%s was told to end and goes on", task.get_name())

    async def give_back(self) -> None:
        """On the way out: others need not wait for the leases to end."""
        self._leaving = True
        names = self.held
        await self._drop(names)
        try:
            async with self._store.write() as tx:
                for name in names:
                    await leases.release(tx, name, self._holder)
        except TrivetError as error:
            _logger.warning("Leases were not given back: %s", error)


async def _in_one_word(work: Awaitable[None]) -> None:
    """Tasks that work together fail together; what is to be done about it is one thing."""
    told: list[Exception] = []
    try:
        await work
    except* Lost as errors:
        told += _single(errors)
    except* Busy as errors:
        told += _single(errors)
    if told:
        raise told[0]


def _single(errors: BaseExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for error in errors.exceptions:
        found += _single(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
