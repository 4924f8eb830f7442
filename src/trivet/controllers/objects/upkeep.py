"""Upkeep of objects: what has expired goes, blobs that no row points at go, and the rest is looked at for damage.

Each is a round of its own, begun again after a pause, and begun anew wherever it died: nothing is remembered but how
far the scrub has come.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from trivet.clock import pause_s
from trivet.domain.objects import acts, garbage, scrub
from trivet.domain.objects.scrub import Kept
from trivet.domain.objects.uploads import KIND
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import Busy
from trivet.parts import Parts
from trivet.store.leases import Lease, Lost, confirm, fence
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

_BREATH_S = 0.1
_EXPIRY_EVERY_S = 5.0
_GARBAGE_EVERY_S = 10.0
_ORPHANS_EVERY_S = 3600.0
_SCRUB_LOOK_EVERY_S = 600.0
_SCRUB_AGAIN_S = 7 * 24 * 3600.0
_SCRUB_BYTES_S = 32 << 20
"""As fast as it may read: clients come first."""
_logger = logging.getLogger(__name__)
T = TypeVar("T")


class ObjectUpkeep:
    def __init__(self, parts: Parts, lease: Lease) -> None:
        self._parts = parts
        self._lease = lease

    async def run(self) -> None:
        rounds = {
            "expiring objects": (self.expire, _EXPIRY_EVERY_S),
            "removing garbage": (self.clear, _GARBAGE_EVERY_S),
            "looking for orphans": (self.remove_orphans, _ORPHANS_EVERY_S),
            "scrubbing objects": (self.scrub, _SCRUB_LOOK_EVERY_S),
        }
        async with asyncio.TaskGroup() as group:
            for what, (act, every_s) in rounds.items():
                group.create_task(self._again_and_again(what, act, every_s))

    async def _again_and_again(self, what: str, act: Callable[[], Awaitable[bool]], every_s: float) -> None:
        failures = 0
        while True:
            try:
                more = await foreseen(what, act(), Busy, Lost)
                failures, wait_s = 0, _BREATH_S if more else every_s
            except (Busy, DriverError) as error:
                failures += 1
                wait_s = pause_s(failures)
                _logger.warning("%s is left for later: %s", what.capitalize(), error)
            await self._parts.clock.sleep(wait_s)

    async def _transact(self, act: Callable[[Tx], Awaitable[T]]) -> T:
        async def fenced(tx: Tx) -> T:
            await fence(tx, self._lease)
            return await act(tx)

        return await transact(self._parts.store, fenced)

    async def expire(self) -> bool:
        return await self._transact(lambda tx: acts.expire(tx, Where())) > 0

    async def clear(self) -> bool:
        return await garbage.clear(self._parts)

    async def remove_orphans(self) -> bool:
        """What a process that died between the bytes and the row has left."""
        async for _, found in self._parts.blobs.walk(KIND):
            async with self._parts.store.read() as tx:
                await confirm(tx, self._lease)
                orphans = await garbage.orphans(tx, found)
            for key in orphans:
                _logger.info("Removing the orphan %s", key)
                await self._parts.blobs.remove(key)
            await self._parts.clock.sleep(_BREATH_S)
        return False

    async def scrub(self) -> bool:
        mark = await self._transact(lambda tx: scrub.begin(tx, _SCRUB_AGAIN_S))
        if mark is None:
            return False
        async with self._parts.store.read() as tx:
            found = await scrub.following(tx, mark)
        for kept in found:
            await self._look_at(kept)
            await self._parts.clock.sleep(kept.size / _SCRUB_BYTES_S)
        last = found[-1].blob_key if found else None
        await self._transact(lambda tx: scrub.reached(tx, last))
        if last is None:
            await self._transact(scrub.forget_gone)
        return last is not None

    async def _look_at(self, kept: Kept) -> None:
        why = await scrub.fault(self._parts, kept)
        if why is not None:
            await self._transact(lambda tx: scrub.tell(tx, kept, why))
