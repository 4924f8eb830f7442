"""Leases: one process at a time looks after a thing, and everybody can tell when it stopped.

A lease ends by itself. Its token grows each time it changes hands, so a holder that slept through its end
can be told from the new one: `fence` in the same transaction as the work makes a late write fail instead
of landing on top of the successor's.
"""

import msgspec

from trivet.errors import Conflict
from trivet.store.tx import Tx

_LONGEST_S = 60.0
"""Nobody takes a lease for longer. One that ends later still was taken before the clock was set back: its holder may
be long dead, and nobody would wait an hour for that."""


class Lease(msgspec.Struct, frozen=True):
    name: str
    holder: str
    token: int
    ends_at: float


class Lost(Conflict):
    """Somebody else holds it by now: drop what you are doing."""


async def take(tx: Tx, name: str, holder: str, seconds: float) -> Lease | None:
    """Take or renew. None while somebody else holds it."""
    now = tx.clock.now()
    row = await tx.row(
        "INSERT INTO leases (name, holder, token, ends_at) VALUES (?, ?, 1, ?)"
        " ON CONFLICT (name) DO UPDATE SET"
        " token = CASE WHEN leases.holder = excluded.holder AND leases.ends_at >= ? THEN leases.token"
        " ELSE leases.token + 1 END,"
        " holder = excluded.holder, ends_at = excluded.ends_at"
        " WHERE leases.holder = excluded.holder OR leases.ends_at < ? OR leases.ends_at > ?"
        " RETURNING token",
        name,
        holder,
        now + seconds,
        now,
        now,
        now + _LONGEST_S,
    )
    return Lease(name, holder, int(row[0]), now + seconds) if row is not None else None


async def renew_all(tx: Tx, holder: str, seconds: float) -> set[str]:
    """Prolong everything the holder still holds; the names."""
    now = tx.clock.now()
    rows = await tx.rows(
        "UPDATE leases SET ends_at = ? WHERE holder = ? AND ends_at >= ? RETURNING name",
        now + seconds,
        holder,
        now,
    )
    return {str(row[0]) for row in rows}


async def held_by_others(tx: Tx, holder: str) -> set[str]:
    """To be asked before several are taken: a row that `take` does not get, it locks, and then two processes that both
    renew their own and ask for the other's stand in a circle."""
    now = tx.clock.now()
    rows = await tx.rows(
        "SELECT name FROM leases WHERE holder <> ? AND ends_at BETWEEN ? AND ?", holder, now, now + _LONGEST_S
    )
    return {str(row[0]) for row in rows}


async def release(tx: Tx, name: str, holder: str) -> None:
    """Give it back early; the row stays, since its token must never repeat."""
    await tx.run("UPDATE leases SET ends_at = 0 WHERE name = ? AND holder = ?", name, holder)


async def confirm(tx: Tx, lease: Lease) -> None:
    """For effects outside the database, which no transaction can take back: ask right before them."""
    row = await tx.row(
        "SELECT 1 FROM leases WHERE name = ? AND holder = ? AND token = ? AND ends_at >= ?",
        lease.name,
        lease.holder,
        lease.token,
        tx.clock.now(),
    )
    if row is None:
        raise Lost("lease.lost", f"The lease {lease.name} is held by somebody else by now.")


async def fence(tx: Tx, lease: Lease) -> None:
    """Writes of this transaction count only if the lease is still the caller's when it commits."""
    touched = await tx.run(
        "UPDATE leases SET token = token WHERE name = ? AND holder = ? AND token = ? AND ends_at >= ?",
        lease.name,
        lease.holder,
        lease.token,
        tx.clock.now(),
    )
    if not touched:
        raise Lost("lease.lost", f"The lease {lease.name} is held by somebody else by now.")
