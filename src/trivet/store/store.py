"""The store: where transactions come from. Two databases, one contract, one test suite over both."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from trivet.clock import Clock
from trivet.errors import InTheWay, Stale
from trivet.ids import Ids
from trivet.store.tx import Change, Tx

T = TypeVar("T")

_TRIES = 30
_LOOKS = 5
"""At what stands in the way: who looks again sees it, and says in its own words what it is."""
_logger = logging.getLogger(__name__)


class Wake:
    """A hint that it is worth looking at the log. Losing one costs a little time, never an event."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}
        """Waiters in the order in which they came; the order of a set would differ from run to run."""

    def set(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def wait(self, timeout_s: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = None
        try:
            await asyncio.wait((waiting,), timeout=timeout_s)
        finally:
            self._waiting.pop(waiting, None)


class Commits:
    """Who in this process hears of what it commits itself, before whoever asked for that is answered. Others hear of
    it from the log. It is committed by then: who hears of it refuses nothing."""

    def __init__(self) -> None:
        self._heard: list[Heard] = []

    def listen(self, heard: "Heard") -> None:
        self._heard.append(heard)

    async def tell(self, changes: Sequence[Change]) -> None:
        for heard in self._heard:
            await heard(changes)


Heard = Callable[[Sequence[Change]], Awaitable[None]]


class Store(Protocol):
    clock: Clock
    ids: Ids
    wake: Wake
    commits: Commits

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def listen(self) -> None:
        """Hear of commits elsewhere; again after the database was away. Nothing to do while it is heard."""
        ...

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """For looking only."""
        ...

    def write(self) -> AbstractAsyncContextManager[Tx]:
        """Commits at the end of the block and tells `commits`; rolls back, events and all, if the block raises."""
        ...

    async def migrate(self) -> list[str]:
        """Bring the schema forward; the names of the migrations that were applied."""
        ...


async def transact(store: Store, act: Callable[[Tx], Awaitable[T]]) -> T:
    """Run `act` in a write transaction, again from its start when it lost a race. `act` touches nothing but the Tx."""
    looks = 0
    for attempt in range(_TRIES):
        try:
            async with store.write() as tx:
                return await act(tx)
        except Stale:
            if attempt == _TRIES - 1:
                raise
        except InTheWay as error:
            looks += 1
            if looks == _LOOKS or attempt == _TRIES - 1:
                _logger.warning("The database refuses a row that we think it may have: %s", error.__cause__)
                raise
        await store.clock.sleep(0.001 * (1 + store.ids.choice_below(2 ** min(attempt, 6))))
    raise AssertionError("the last try returns or raises")
