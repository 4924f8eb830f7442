"""Following the log: one reader a process, which tells everybody inside.

A commit anywhere wakes it (a signal within the process, NOTIFY from others); where a hint is lost, and
between processes on one SQLite file, it looks by itself a few times a second. Who listens is told of every
event once and in order, or, when the process was away for too long, to look at everything again.
"""

import logging
from collections.abc import Awaitable, Callable

from trivet.errors import Busy
from trivet.store import log
from trivet.store.log import Event
from trivet.store.store import Store

_LOOK_EVERY_S = 0.5
_AWAY_PAUSE_S = 1.0
_BATCH = 500
_logger = logging.getLogger(__name__)

Listener = Callable[[list[Event]], Awaitable[None]]
Resync = Callable[[], Awaitable[None]]


class Follower:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: dict[str, tuple[Listener, Resync]] = {}
        self.position = 0

    def listen(self, name: str, on_events: Listener, on_resync: Resync) -> None:
        """Listeners must be quick: they note what to do, and do it elsewhere."""
        self._listeners[name] = (on_events, on_resync)

    def leave(self, name: str) -> None:
        self._listeners.pop(name, None)

    async def start(self) -> None:
        """Everything before this is the listeners' own to read."""
        async with self._store.read() as tx:
            self.position = await log.head(tx)

    async def run(self) -> None:
        while True:
            try:
                await self._store.listen()
                told = await self.step()
            except Busy as error:
                _logger.warning("The log cannot be read at the moment (%s)", error)
                await self._store.clock.sleep(_AWAY_PAUSE_S)
                continue
            if not told:
                await self._store.wake.wait(_LOOK_EVERY_S)

    async def step(self) -> int:
        """Tell what is new; how many events that was."""
        try:
            async with self._store.read() as tx:
                events = await log.read(tx, self.position, _BATCH)
        except log.Forgotten:
            _logger.warning("Events were dropped before they were read here: looking at everything again")
            await self.start()
            for _, resync in list(self._listeners.values()):
                await resync()
            return 0
        if events:
            self.position = events[-1].seq
            for on_events, _ in list(self._listeners.values()):
                await on_events(events)
        return len(events)
