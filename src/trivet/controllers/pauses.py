"""Pauses: how long each of many things that failed is left alone."""

from collections.abc import Collection

from trivet.clock import Clock, pause_s


class Pauses:
    """Pauses between tries, for many objects, by id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def begin(self, id: str) -> None:
        """It failed once more."""
        failures = self._failures[id] = self._failures.get(id, 0) + 1
        self._until[id] = self._clock.monotonic() + pause_s(failures)

    def over(self, id: str) -> bool:
        return self._until.get(id, 0.0) <= self._clock.monotonic()

    def forget_all_but(self, ids: Collection[str]) -> None:
        """What is done, or gone, has no pause any more."""
        for id in self._until.keys() - set(ids):
            del self._until[id]
            del self._failures[id]
