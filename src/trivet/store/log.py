"""The log: one row for every change, in the order of commits, on both databases.

On SQLite writers take turns anyway. On PostgreSQL a sequence is drawn before the commit, so a reader that
has seen 8 might step over a 7 that commits late. Therefore a transaction takes the log's turn (an advisory
lock, freed by the commit itself) as its very last act before committing: numbers are drawn and become
visible in one order, and whoever waits for the turn holds no number yet. The lock is always the last one
taken, so it cannot be part of a deadlock.
"""

from collections.abc import Collection, Sequence
from contextvars import ContextVar
from typing import Any

import msgspec

from trivet.errors import Conflict
from trivet.store.tables import Value
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

MIGRATION_LOCK = 7_411_000
_TURN_LOCK = 7_411_001

_COLUMNS = "at, noun, noun_id, verb, revision, project_id, host_id, detail"
_WRITTEN = f"{_COLUMNS}, user_id, request_id"
SQL_APPEND = f"INSERT INTO events ({_WRITTEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# The turn is taken in the statement that draws the numbers, which saves a round trip: a row cannot be numbered
# before it has been joined with `told`, and that not before `turn` has its lock.
POSTGRES_APPEND = f"""
    WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock({_TURN_LOCK})),
        told AS MATERIALIZED (SELECT pg_notify('trivet', '') FROM turn)
    INSERT INTO events ({_WRITTEN})
    SELECT new.* FROM told, unnest($1::double precision[], $2::text[], $3::text[], $4::text[], $5::bigint[],
                                   $6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) AS new
"""
_SQL_READ = f"SELECT seq, {_COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_SQL_HEAD = "SELECT COALESCE(MAX(seq), 0) FROM events"
_SQL_FORGOTTEN = "SELECT COALESCE(MIN(seq), 1) - 1 FROM events"


class Event(msgspec.Struct, frozen=True):
    seq: int
    at: float
    noun: str
    id: str
    verb: str
    revision: int
    project_id: str | None
    host_id: str | None
    detail: str | None


class Doer(msgspec.Struct, frozen=True):
    """The user and the request that cause what is done now; neither where the cloud acts by itself."""

    user_id: str | None = None
    request_id: str | None = None


_NOBODY = Doer()
doing: ContextVar[Doer] = ContextVar("doing", default=_NOBODY)
"""Bound where a request comes in, so that no act need pass it on."""


class Entry(msgspec.Struct, frozen=True):
    """An event as people read it."""

    seq: int
    at: float
    verb: str
    noun: str
    id: str
    project_id: str | None
    host_id: str | None
    user_id: str | None
    request_id: str | None


class Forgotten(Conflict):
    """The reader was away for so long that events it has not seen are gone: look at everything, then go on."""


def row_of(change: Change, at: float) -> tuple[Value, ...]:
    doer = doing.get()
    return (
        at,
        change.noun,
        change.id,
        change.verb,
        change.revision,
        change.project_id,
        change.host_id,
        change.detail,
        doer.user_id,
        doer.request_id,
    )


async def head(tx: Tx) -> int:
    row = await tx.row(_SQL_HEAD)
    assert row is not None
    return int(row[0])


async def newest(tx: Tx) -> tuple[int, float | None]:
    """Number and time of the last event."""
    row = await tx.row("SELECT seq, at FROM events ORDER BY seq DESC LIMIT 1")
    return (int(row[0]), float(row[1])) if row is not None else (0, None)


async def entries(tx: Tx, where: Where, *, newest: bool, limit: int) -> list[Entry]:
    """The first ones there are, or the newest; in order either way."""
    order = "DESC" if newest else "ASC"
    rows = await tx.rows(
        "SELECT seq, at, verb, noun, noun_id, project_id, host_id, user_id, request_id"
        f" FROM events{where.sql} ORDER BY seq {order} LIMIT ?",
        *where.values,
        limit,
    )
    return [Entry(*row) for row in (reversed(rows) if newest else rows)]


async def read(tx: Tx, after: int, limit: int = 500) -> list[Event]:
    """What was committed after event `after`, in order."""
    found: Sequence[Sequence[Any]] = await tx.rows(_SQL_READ, after, limit)
    if found and found[0][0] > after + 1:
        # Numbers may be missing for transactions that rolled back, or because old events were dropped.
        row = await tx.row(_SQL_FORGOTTEN)
        assert row is not None
        if int(row[0]) > after and await _ever_dropped(tx, after):
            raise Forgotten("log.forgotten", f"Events after {after} are no longer kept.")
    return [Event(*row) for row in found]


async def _ever_dropped(tx: Tx, after: int) -> bool:
    row = await tx.row("SELECT seq FROM log_dropped WHERE seq > ?", after)
    return row is not None


async def nothing_since(tx: Tx, position: int, nouns: Collection[str]) -> bool:
    """Whether event `position` is there and none of these nouns came after it. On an early day put back it is not."""
    marks = ", ".join("?" * len(nouns))
    sql = f"SELECT seq FROM events WHERE seq >= ? AND (seq = ? OR noun IN ({marks})) ORDER BY seq LIMIT 2"
    return [row[0] for row in await tx.rows(sql, position, position, *nouns)] == [position]


async def drop_before(tx: Tx, at: float, most: int = 2000) -> int:
    """Forget what is older than `at`, a part at a time, and never the newest event; the number of rows dropped."""
    oldest = "SELECT seq, at FROM events ORDER BY seq LIMIT ?"
    row = await tx.row(f"SELECT COALESCE(MAX(seq), 0) FROM ({oldest}) AS oldest WHERE at < ?", most, at)
    assert row is not None
    last = min(int(row[0]), await head(tx) - 1)
    if last <= 0:
        return 0
    await tx.run("UPDATE log_dropped SET seq = ? WHERE seq < ?", last, last)
    return await tx.run("DELETE FROM events WHERE seq <= ?", last)
