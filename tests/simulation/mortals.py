"""A process that can die between any two of its effects, sleep through the end of its leases, or trip over a bug.

A dead process is not unwound: no `finally` of it has any effect, because every door to the world (store and
engines) stays shut for it for ever. That is what `kill -9` looks like from outside.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from trivet.clock import Clock
from trivet.ids import Ids
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Wake
from trivet.store.tx import Tx


class Life:
    def __init__(self, chance: random.Random, *, dies_at_commit: float) -> None:
        self._chance = chance
        self._dies_at_commit = dies_at_commit
        self._trips_at_verb = 0.01
        self._trips_next = 0
        self.alive = True
        self.over = False
        """The simulation itself has ended: what still waits may go."""
        self.awake_at = 0.0
        self._grave: asyncio.Future[None] | None = None

    async def door(self) -> None:
        """Passed by the living; the dead wait here for ever, and sleepers until they wake."""
        if self.over:
            raise asyncio.CancelledError
        if not self.alive:
            self._grave = self._grave or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._grave)
        late = self.awake_at - asyncio.get_running_loop().time()
        if late > 0:
            await asyncio.sleep(late)
            await self.door()

    def bury(self) -> None:
        self.over = True

    def calm(self, trips: int = 0) -> None:
        """From now on it neither dies nor sleeps, and its drivers have no bugs but for the next few calls."""
        self._dies_at_commit = self._trips_at_verb = 0.0
        self._trips_next = trips
        self.awake_at = 0.0

    def dies_now(self) -> bool:
        if self.alive and self._chance.random() < self._dies_at_commit:
            self.alive = False
        return not self.alive

    def trip(self) -> None:
        """A driver's bug, now and then: before it did anything, or after."""
        self._trips_next -= 1
        if self._trips_next >= 0 or self._chance.random() < self._trips_at_verb:
            raise KeyError("a bug")


class _Unwritten(BaseException):
    """The process died before its commit."""


class MortalStore:
    """The store as one process sees it."""

    def __init__(self, path: str, clock: Clock, ids: Ids, life: Life) -> None:
        self._store = SqliteStore(path, clock, ids)
        self._life = life
        self.clock = clock
        self.ids = ids
        self.wake: Wake = self._store.wake
        self.commits = self._store.commits

    async def open(self) -> None:
        await self._store.open()

    async def listen(self) -> None:
        await self._store.listen()

    async def close(self) -> None:
        await self._store.close()

    async def migrate(self) -> list[str]:
        return await self._store.migrate()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        await self._life.door()
        async with self._store.read() as tx:
            yield tx

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        await self._life.door()
        try:
            async with self._store.write() as tx:
                yield tx
                if self._life.dies_now():
                    raise _Unwritten
        except _Unwritten:
            await self._life.door()
        # Death right after the commit: written, but nobody inside heard of it.
        self._life.dies_now()
        await self._life.door()


class Reached:
    """An engine as one process reaches it: each verb takes a while, and only the living get through."""

    def __init__(self, engine: Any, life: Life, chance: random.Random) -> None:
        self._engine = engine
        self._life = life
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if name == "watch" or not asyncio.iscoroutinefunction(found):
            return found

        async def verb(*args: Any, **kwargs: Any) -> Any:
            await self._life.door()
            # Now and then a host is so slow that the lease has passed on before the verb takes effect.
            slow = self._chance.random() < 0.02
            await asyncio.sleep(self._chance.uniform(5, 15) if slow else self._chance.uniform(0, 0.2))
            self._life.trip()
            result = await found(*args, **kwargs)
            await self._life.door()
            self._life.trip()
            return result

        return verb
