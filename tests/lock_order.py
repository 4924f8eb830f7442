"""Every transaction of every test is held to the order in which rows are locked (domain/ranks.py).

SQLite lets one writer in at a time, so nobody there ever waits in a circle: what is looked at is the order in which
PostgreSQL would have locked the same rows. A table is taken with the first row of it that the transaction changes and
has not made itself. What is undone to a savepoint was let go again.
"""

import re
from collections.abc import Sequence

from trivet.domain.ranks import RANK, UNRANKED
from trivet.store.sqlite import SqliteTx

_WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
_ID = re.compile(r"^[0-9a-f-]{32,36}$")
"""Other values are counts, flags and words that any row may have."""


class WrongOrder(AssertionError):
    """A table was locked while one of a later rank was held."""


class Held:
    """What one transaction has locked so far."""

    def __init__(self) -> None:
        self.tables: list[str] = []
        self.made: set[object] = set()
        self.free = False
        """A migration runs alone."""
        self._kept: list[int] = []

    def wrote(self, verb: str, table: str, sql: str, values: Sequence[object], touched: int | bool) -> None:
        touched = touched or "RETURNING" in sql  # nobody has fetched yet, so SQLite has not counted
        keys = {value for value in values if isinstance(value, str) and _ID.match(value)}
        if verb == "INSERT INTO" and "DO UPDATE" not in sql:
            self.made |= keys
        elif touched and not keys & self.made and table not in self.tables and not self.free:
            self._take(table)

    def _take(self, table: str) -> None:
        if table not in RANK:
            return  # a test's own table: tests/house/test_tables.py sees to it that each of ours has a rank
        late = [held for held in self.tables if RANK[held] > RANK[table]]
        if late:
            raise WrongOrder(f"{table} is locked after {', '.join(late)} (domain/ranks.py)")
        self.tables.append(table)

    def savepoint(self) -> None:
        self._kept.append(len(self.tables))

    def undone(self) -> None:
        del self.tables[self._kept[-1] :]

    def released(self) -> None:
        self._kept.pop()


_known: dict[str, tuple[str, str] | None] = {}


def _written(sql: str) -> tuple[str, str] | None:
    if sql not in _known:
        found = _WRITES.search(sql)
        _known[sql] = (found[1], found[2]) if found else None
    return _known[sql]


def watch() -> None:
    """From now on, in this process."""
    execute = SqliteTx._execute

    def watched(tx: SqliteTx, sql: str, values: Sequence[object]) -> object:
        cursor = execute(tx, sql, values)  # type: ignore[arg-type] # as the store's own callers say it
        held: Held = tx.__dict__.setdefault("held", Held())
        if sql.startswith("SAVEPOINT"):
            held.savepoint()
        elif sql.startswith("ROLLBACK TO"):
            held.undone()
        elif sql.startswith("RELEASE"):
            held.released()
        else:
            written = _written(sql)
            if "migrations" in sql:
                held.free = True
            elif written is not None and written[1] not in UNRANKED:
                held.wrote(*written, sql, values, cursor.rowcount)
        return cursor

    SqliteTx._execute = watched  # type: ignore[method-assign,assignment]
