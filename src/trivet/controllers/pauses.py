"""Pauses: how long what failed is left alone; each failure in a row makes it longer."""

from collections.abc import Collection

from trivet.clock import Clock

_FIRST_S = 1.0
_MOST_S = 30.0


def pause_s(failures: int) -> float:
    """Before the next try of what failed so many times in a row."""
    return min(_FIRST_S * 2.0 ** min(failures - 1, 10), _MOST_S)


class Pauses:
    """Of many objects, by id."""

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
