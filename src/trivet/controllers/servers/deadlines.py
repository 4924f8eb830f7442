"""Deadlines: which servers' work has taken too long, as one who watches counts it.

A row says until when, in the time of day of the process that wrote it. That tells how much time there is when it is
seen first; from then on it is counted by the watcher's steady clock, and not while nobody could have done the work
(the database was away, the process was frozen). So a clock that jumps, or a cloud that was off, ends nothing.
"""

from collections.abc import Iterable

from trivet.clock import Clock
from trivet.store.leases import Sightings

_LEAST_S = 60.0
"""For what looks late at first sight: whoever does the work may have slept as well, and comes back to it."""
_MOST_S = 7200.0
"""Nothing has more; a row that says so was written before the clock was set back."""


class Deadlines:
    def __init__(self, clock: Clock, longest_gap_s: float) -> None:
        self._clock = clock
        self._sightings = Sightings(clock, longest_gap_s)
        self._time: dict[str, tuple[float, float]] = {}
        """id -> its deadline, and how much time it had when that was seen first"""

    def passed(self, open: Iterable[tuple[str, float]]) -> list[str]:
        """The servers whose deadline is over."""
        now = self._clock.now()
        before, self._time = self._time, {}
        for id, deadline_at in open:
            known = before.get(id)
            if known is None or known[0] != deadline_at:
                known = deadline_at, min(max(deadline_at - now, _LEAST_S), _MOST_S)
            self._time[id] = known
        self._sightings.forget_all_but(self._time)
        return [id for id, (at, time_s) in self._time.items() if self._sightings.unchanged_s(id, (0, at)) >= time_s]
