"""Connections to PostgreSQL: made when there is none at hand, and lent to one transaction at a time.

asyncpg has a pool, but lending a connection from it costs as much as a statement does (a task, two timers, a proxy).
Here it is a list: who gives one back hands it to whoever waits longest, or lays it on top for the next.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

_IDLE_S = 60.0
"""What nobody has used for so long is closed: a burst needs more of them than the day does."""
_FAREWELL_S = 2.0


class Connections:
    def __init__(
        self, connect: Callable[[], Awaitable[Any]], most: int, patience_s: float, *, idle_s: float = _IDLE_S
    ) -> None:
        self._connect = connect
        self._most = most
        self._patience_s = patience_s
        """For one that others have. How long making one may take, `connect` knows."""
        self._idle_s = idle_s
        self._open = 0
        """Lent, at hand, or being made."""
        self._at_hand: list[tuple[Any, float]] = []
        """Connections that are free, and since when; the last used is on top."""
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._tidying: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self) -> Any:
        """To be given back, whatever becomes of it."""
        while self._at_hand:
            connection, _ = self._at_hand.pop()
            if not connection.is_closed():
                return connection
            connection.terminate()
            self._open -= 1
        if self._closed:
            raise asyncpg.InterfaceError("The store is closed.")
        if self._open < self._most:
            self._open += 1
        elif (given := await self._given()) is not None:
            return given
        try:
            return await self._connect()
        except BaseException:
            self._make_room()
            raise

    async def _given(self) -> Any:
        """A connection, or None: somebody's was lost, and another may be made in its place."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(self._patience_s):
                return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                # It came at the moment when we were told to stop.
                self.give_back(waiting.result())
            raise

    def give_back(self, connection: Any) -> None:
        if connection is None or self._closed or connection.is_closed() or connection.is_in_transaction():
            if connection is not None:
                connection.terminate()
            self._make_room()
        elif (waiting := self._next()) is not None:
            waiting.set_result(connection)
        else:
            loop = asyncio.get_running_loop()
            self._at_hand.append((connection, loop.time()))
            if self._tidying is None:
                self._tidying = loop.call_later(self._idle_s, self._tidy)

    def _make_room(self) -> None:
        """For another, which who waits longest may make."""
        if (waiting := self._next()) is not None:
            waiting.set_result(None)
        else:
            self._open -= 1

    def _next(self) -> "asyncio.Future[Any] | None":
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                return waiting
        return None

    def drop(self) -> None:
        """All that are at hand: who comes next gets a new one."""
        leaving, self._at_hand = self._at_hand, []
        for connection, _ in leaving:
            connection.terminate()
            self._open -= 1

    def _tidy(self) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time() - self._idle_s
        old = [connection for connection, since in self._at_hand if since <= before]
        self._at_hand = self._at_hand[len(old) :]
        for connection in old:
            connection.terminate()
            self._open -= 1
        self._tidying = loop.call_at(self._at_hand[0][1] + self._idle_s, self._tidy) if self._at_hand else None

    async def close(self) -> None:
        """What is lent is closed when it is given back."""
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        while (waiting := self._next()) is not None:
            waiting.set_exception(asyncpg.InterfaceError("The store is closed."))
        leaving, self._at_hand = self._at_hand, []
        self._open -= len(leaving)
        await asyncio.gather(*(one.close(timeout=_FAREWELL_S) for one, _ in leaving), return_exceptions=True)
