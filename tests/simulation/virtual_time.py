"""An event loop in which waiting is free: when nothing is ready, the clock jumps to the next timer.

Twenty simulated minutes take a second, and one seed gives one history.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")
_EPOCH = 1_800_000_000.0


class Stuck(AssertionError):
    """Everybody waits and nobody will ever be woken."""


class _Jumping(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise Stuck("nothing is scheduled any more")
        self.now += max(timeout, 0.0)
        return []


class _Numbered(asyncio.Task[Any]):
    """Task groups keep their tasks in sets, and end them in that order: by their number, not by where they lie."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **more: Any) -> None:
        self._number = number
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        numbers = count()
        self.set_task_factory(lambda loop, coro, **more: _Numbered(next(numbers), coro, loop=loop, **more))

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """Clock of everything in the simulation."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.jumped_s = 0.0
        """The time of day was set by so much; what passes is not touched by it."""

    def now(self) -> float:
        return _EPOCH + self._loop.time() + self.jumped_s

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=60) if left else asyncio.sleep(0))
        loop.close()
        asyncio.set_event_loop(None)


def in_virtual_time(live: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    loop = VirtualLoop()
    return run(loop, live(loop))
