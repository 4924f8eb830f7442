"""Following the log: one reader a process, which tells everybody inside.

A commit anywhere wakes it (a signal within the process, NOTIFY from others); where a hint is lost, and
between processes on one SQLite file, it looks by itself a few times a second. Who listens is told of every
event once and in order. Who could not take it in, or all when the process was away for too long, are told to
look at everything again, until they have: nobody goes on with a hole in what he knows.
"""

import logging
from collections.abc import Awaitable, Callable

from trivet.clock import pause_s
from trivet.errors import Busy, TrivetError
from trivet.store import log
from trivet.store.log import Event
from trivet.store.store import Store

_LOOK_EVERY_S = 0.5
_AWAY_PAUSE_S = 1.0
_BROKEN_PAUSE_MAX_S = 60.0
_BATCH = 500
_logger = logging.getLogger(__name__)

Listener = Callable[[list[Event]], Awaitable[None]]
Resync = Callable[[], Awaitable[None]]


class Follower:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: dict[str, tuple[Listener, Resync]] = {}
        self._behind: set[str] = set()
        """Listeners that missed something."""
        self.position = 0

    def listen(self, name: str, on_events: Listener, on_resync: Resync) -> None:
        """Listeners must be quick: they note what to do, and do it elsewhere."""
        self._listeners[name] = (on_events, on_resync)
        self._behind.discard(name)

    def leave(self, name: str, on_events: Listener) -> None:
        """Ends a listener. If another one has taken its name meanwhile, nothing changes."""
        if name in self._listeners and self._listeners[name][0] == on_events:
            del self._listeners[name]

    async def start(self) -> None:
        """Everything before this is the listeners' own to read."""
        async with self._store.read() as tx:
            self.position = await log.head(tx)

    async def run(self) -> None:
        """The boundary where trouble with the log itself is caught: who listens hears of revocations here, too."""
        told, broken, failures = 0, False, 0
        while True:
            try:
                await self._store.listen()
                if broken:
                    await self._begin_again("The log could not be followed")
                    broken = False
                told = await self.step(may_be_back=not told)
            except Busy as error:
                _logger.warning("The log cannot be read at the moment (%s)", error)
                await self._store.clock.sleep(_AWAY_PAUSE_S)
                continue
            except Exception:
                told, broken, failures = 0, True, failures + 1
                wait_s = pause_s(failures, most_s=_BROKEN_PAUSE_MAX_S)
                _logger.exception("The log cannot be followed; trying again in %d s", wait_s)
                await self._store.clock.sleep(wait_s)
                continue
            if told:
                failures = 0
            else:
                await self._store.wake.wait(_LOOK_EVERY_S)

    async def step(self, *, may_be_back: bool = True) -> int:
        """Tell what is new; how many events that was. Who has just read the end of the log need not ask where it is."""
        events: list[Event] = []
        try:
            async with self._store.read() as tx:
                events = await log.read(tx, self.position, _BATCH)
                back = may_be_back and not events and await log.head(tx) < self.position
        except log.Forgotten:
            await self._begin_again("Events were dropped before they were read here")
        else:
            if back:
                await self._begin_again("The database was put back to an earlier day")
        if events:
            self.position = events[-1].seq
        for name, (on_events, on_resync) in list(self._listeners.items()):
            if name in self._behind:
                await self._tell(name, on_resync())
            elif events:
                await self._tell(name, on_events(events))
        return len(events)

    async def _begin_again(self, why: str) -> None:
        _logger.warning("%s: looking at everything again", why)
        await self.start()
        self._behind |= set(self._listeners)

    async def _tell(self, name: str, telling: Awaitable[None]) -> None:
        """The boundary where a listener's trouble is caught: it is not the others', nor the end of all listening."""
        try:
            await telling
        except TrivetError as error:
            _logger.warning("%s did not take in what the log says and looks again: %s", name, error)
            self._behind.add(name)
        except Exception:
            _logger.exception("%s did not take in what the log says and will look at everything again", name)
            self._behind.add(name)
        else:
            self._behind.discard(name)
