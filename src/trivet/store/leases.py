"""Leases: one process at a time looks after a thing, and everybody can tell when it stopped.

No clock is compared with another one, since any of them may jump. A holder renews; whoever wants the lease watches
the row by its own steady clock and takes it when nothing has happened to it for its whole length (`Sightings`). A
silence that the watcher shared (it was frozen, the database was away) counts for nothing.

The token grows each time a lease is taken, so a holder that slept through its end can be told from the new one:
`fence` in the same transaction as the work makes a late write fail instead of landing on top of the successor's.
"""

from collections.abc import Callable, Collection

import msgspec

from trivet.clock import Clock
from trivet.errors import Conflict
from trivet.store.tx import Tx

_GIVEN_BACK = 0.0
_SEEN_MOST = 10_000
_SEEN_LATELY_S = 3600.0

Stamp = tuple[int, float]
"""(token, ends_at): it changes with every renewal. Only processes of earlier versions read it as a time."""


class Lease(msgspec.Struct, frozen=True):
    name: str
    holder: str
    token: int
    ends_at: float


class Lost(Conflict):
    """Somebody else holds it by now: drop what you are doing."""


class Sightings:
    """What one process has seen of others' leases, and for how long nothing has changed about each.

    It counts only while it looks: after a gap of more than `longest_gap_s` between two looks it begins anew, for
    whatever kept it from looking may have kept the holder from renewing.
    """

    def __init__(
        self, clock: Clock, longest_gap_s: float = 0.0, died: Callable[[str], bool] = lambda holder: False
    ) -> None:
        self.died = died
        """Whether it is certain that a holder has ended: then nothing of its needs to be watched."""
        self._clock = clock
        self._longest_gap_s = longest_gap_s
        self._seen: dict[str, tuple[Stamp, float, float]] = {}
        """name -> what it was, since when, and when we looked last"""

    def unchanged_s(self, name: str, stamp: Stamp, longest_gap_s: float | None = None) -> float:
        now = self._clock.monotonic()
        if name not in self._seen and len(self._seen) >= _SEEN_MOST:
            self._seen = {other: seen for other, seen in self._seen.items() if now - seen[2] < _SEEN_LATELY_S}
        before, since, looked = self._seen.get(name, (stamp, now, now))
        if before != stamp or now - looked > (longest_gap_s or self._longest_gap_s):
            since = now
        self._seen[name] = (stamp, since, now)
        return now - since

    def forget_all_but(self, names: Collection[str]) -> None:
        """Forgets sightings of all names but these."""
        for name in self._seen.keys() - set(names):
            del self._seen[name]


async def take(tx: Tx, name: str, holder: str, seconds: float, sightings: Sightings | None = None) -> Lease | None:
    """A new term, with a token of its own. None while somebody else holds it, or may do so as far as was seen.

    A row that is not to be had is only read: two that both hold one and want the other's would wait in a circle.
    """
    assert seconds > 0, "who only wants to keep others out until the commit takes a turn"
    ends_at = tx.clock.now() + seconds
    row = await tx.row("SELECT holder, token, ends_at FROM leases WHERE name = ?", name)
    if row is None:
        new = "INSERT INTO leases (name, holder, token, ends_at) VALUES (?, ?, 1, ?) ON CONFLICT (name) DO NOTHING"
        return Lease(name, holder, 1, ends_at) if await tx.run(new, name, holder, ends_at) else None
    stamp = int(row[1]), float(row[2])
    if row[0] != holder and stamp[1] != _GIVEN_BACK and not _over(sightings, str(row[0]), name, stamp, seconds):
        return None
    taken = await tx.run(
        "UPDATE leases SET token = token + 1, holder = ?, ends_at = ? WHERE name = ? AND token = ? AND ends_at = ?",
        holder,
        ends_at,
        name,
        *stamp,
    )
    return Lease(name, holder, stamp[0] + 1, ends_at) if taken else None


def _over(sightings: Sightings | None, holder: str, name: str, stamp: Stamp, seconds: float) -> bool:
    if sightings is None:
        return False
    return sightings.unchanged_s(name, stamp) >= seconds or sightings.died(holder)


async def take_turn(tx: Tx, name: str) -> None:
    """Makes transactions take turns: from here to the commit, only one at a time."""
    await tx.run(
        "INSERT INTO leases (name, holder, token, ends_at) VALUES (?, '', 1, ?)"
        " ON CONFLICT (name) DO UPDATE SET token = leases.token + 1",
        name,
        _GIVEN_BACK,
    )


async def renew(tx: Tx, lease: Lease, seconds: float) -> None:
    """Prolong what is still the caller's; it is a fence, too."""
    if not await tx.run(
        "UPDATE leases SET ends_at = ? WHERE name = ? AND holder = ? AND token = ?",
        tx.clock.now() + seconds,
        lease.name,
        lease.holder,
        lease.token,
    ):
        raise _lost(lease)


async def renew_all(tx: Tx, holder: str, seconds: float) -> set[str]:
    """Prolong everything that nobody has taken from the holder; the names."""
    rows = await tx.rows(
        "UPDATE leases SET ends_at = ? WHERE holder = ? AND ends_at <> ? RETURNING name",
        tx.clock.now() + seconds,
        holder,
        _GIVEN_BACK,
    )
    return {str(row[0]) for row in rows}


async def all_held(tx: Tx) -> list[Lease]:
    """All leases that the rows say are held: not given back, though perhaps of a holder that died."""
    rows = await tx.rows(
        "SELECT name, holder, token, ends_at FROM leases WHERE ends_at <> ? ORDER BY name LIMIT 1000", _GIVEN_BACK
    )
    return [Lease(*row) for row in rows]


async def release(tx: Tx, name: str, holder: str) -> None:
    """Give it back early; the row stays, since its token must never repeat."""
    await tx.run("UPDATE leases SET ends_at = ? WHERE name = ? AND holder = ?", _GIVEN_BACK, name, holder)


async def confirm(tx: Tx, lease: Lease) -> None:
    """For effects outside the database, which no transaction can take back: ask right before them."""
    row = await tx.row(
        "SELECT 1 FROM leases WHERE name = ? AND holder = ? AND token = ? AND ends_at <> ?",
        lease.name,
        lease.holder,
        lease.token,
        _GIVEN_BACK,
    )
    if row is None:
        raise _lost(lease)


async def fence(tx: Tx, lease: Lease) -> None:
    """Writes of this transaction count only if the lease is still the caller's when it commits."""
    touched = await tx.run(
        "UPDATE leases SET token = token WHERE name = ? AND holder = ? AND token = ? AND ends_at <> ?",
        lease.name,
        lease.holder,
        lease.token,
        _GIVEN_BACK,
    )
    if not touched:
        raise _lost(lease)


def _lost(lease: Lease) -> Lost:
    return Lost("lease.lost", f"The lease {lease.name} is held by somebody else by now.")
