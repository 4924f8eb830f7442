"""Host changes: what happened on each host lately, for the agents elsewhere that wait to hear of it.

One reader of the log, the process's follower, serves any number of them: who waits is woken by what concerns his own
host, and by nothing else. What happened before it began, or too long ago, is not here but in the log.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

from trivet.domain.host_link.words import Changes
from trivet.store.follower import Follower
from trivet.store.log import Event

_SERVERS, _CONSOLE_READS = "servers", "console_reads"
_KEPT = 2000
"""Events that agents want to hear of; each of a few hundred bytes."""


class HostChanges:
    def __init__(self) -> None:
        self._follower: Follower | None = None
        self._recent: deque[Event] = deque()
        self._floor = 0
        """The position in the log from which on nothing is missing here."""
        self._position = 0
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def follow(self, follower: Follower) -> None:
        self._follower = follower
        self._begin()
        follower.listen("host changes", self._on_events, self._on_resync)

    @property
    def followed(self) -> bool:
        return self._follower is not None

    def since(self, host_id: str, after: int) -> Changes | None:
        """None: it is not known here, and is to be looked for in the log."""
        if self._follower is None or not self._floor <= after <= self._position:
            return None
        news: list[Event] = []
        for event in reversed(self._recent):
            if event.seq <= after:
                break
            if event.host_id == host_id:
                news.append(event)
        return told(reversed(news), self._position)

    async def wait(self, host_id: str, timeout_s: float) -> None:
        """Waits until something happened on the host, or everything is to be looked at again."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(host_id, set()).add(waiting)
        try:
            await asyncio.wait((waiting,), timeout=timeout_s)
        finally:
            there = self._waiting.get(host_id, set())
            there.discard(waiting)
            if not there:
                self._waiting.pop(host_id, None)

    async def _on_events(self, events: list[Event]) -> None:
        news = [event for event in events if event.host_id is not None and event.noun in (_SERVERS, _CONSOLE_READS)]
        self._recent.extend(news)
        while len(self._recent) > _KEPT:
            self._floor = self._recent.popleft().seq
        self._position = events[-1].seq
        self._wake({event.host_id for event in news if event.host_id is not None})

    async def _on_resync(self) -> None:
        self._begin()
        self._wake(set(self._waiting))

    def _begin(self) -> None:
        assert self._follower is not None
        self._recent.clear()
        self._floor = self._position = self._follower.position

    def _wake(self, hosts: set[str]) -> None:
        for host_id in hosts:
            for waiting in self._waiting.pop(host_id, set()):
                if not waiting.done():
                    waiting.set_result(None)


def told(events: Iterable[Event], position: int) -> Changes:
    """Events of one host, oldest first, in the words for its agent."""
    servers: dict[str, int] = {}
    console_reads = False
    for event in events:
        if event.noun == _SERVERS:
            servers[event.id] = event.revision
        console_reads = console_reads or (event.noun == _CONSOLE_READS and event.verb == "created")
    return Changes(position=position, servers=servers, console_reads=console_reads)
