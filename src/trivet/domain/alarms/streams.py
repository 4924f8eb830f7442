"""Streams: how many listen to alarms in one process. Each holds a connection, so they are bounded, and no project has
all of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from trivet.errors import Busy, OverQuota

MOST = 200
OF_ONE_MOST = 10


class Streams:
    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def check(self, holder: str) -> None:
        if self._held[holder] >= OF_ONE_MOST:
            raise OverQuota("alarm_stream.most", f"A project listens to {OF_ONE_MOST} streams of alarms at most.")
        if self._held.total() >= MOST:
            raise Busy("alarm_stream.full", "Too many listen already; try again later, or subscribe a webhook.")

    @contextmanager
    def place(self, holder: str) -> Iterator[None]:
        self._held[holder] += 1
        try:
            yield
        finally:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
