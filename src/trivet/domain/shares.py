"""Shares: places at slow work that several projects want, held fairly.

Whoever holds least is next, and nobody holds more than its share, so that a place is left for somebody else.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Shares:
    def __init__(self, places: int, most_of_one: int) -> None:
        self._free = places
        self._most = most_of_one
        self._held: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def place(self, holder: str | None) -> AsyncIterator[None]:
        """`holder` is a project, or nobody's together."""
        who = holder or ""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((who, turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._leave(who)
            else:
                self._waiting.remove((who, turn))

    def _leave(self, who: str) -> None:
        self._free += 1
        self._held[who] -= 1
        if not self._held[who]:
            del self._held[who]
        self._admit()

    def _admit(self) -> None:
        while self._free:
            waiting = [one for one in self._waiting if not one[1].done() and self._held[one[0]] < self._most]
            if not waiting:
                return
            # Of those that hold the same, who has waited longest: the list is in order, and min takes the first.
            chosen = min(waiting, key=lambda one: self._held[one[0]])
            self._waiting.remove(chosen)
            self._free -= 1
            self._held[chosen[0]] += 1
            chosen[1].set_result(None)


class Arriving:
    """What is on its way into this process, by project: until it is there no limit counts it."""

    def __init__(self) -> None:
        self._bytes: Counter[str] = Counter()

    def of(self, project_id: str) -> "OnItsWay":
        return OnItsWay(self._bytes, project_id)


class OnItsWay:
    def __init__(self, all: Counter[str], project_id: str) -> None:
        self._all = all
        self._project_id = project_id
        self._mine = 0

    def more(self, size: int) -> int:
        """How much the project has on its way with these, in all that it sends."""
        self._mine += size
        self._all[self._project_id] += size
        return self._all[self._project_id]

    def end(self) -> None:
        self._all[self._project_id] -= self._mine
        self._mine = 0
        if not self._all[self._project_id]:
            del self._all[self._project_id]
