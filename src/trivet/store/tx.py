"""A transaction: what one request or one controller step reads and writes, all of it or nothing.

The two databases differ in three primitive verbs; everything a room above uses is written once, here.
Events are collected while records are written and go into the log last, just before the commit: that
keeps the log in commit order (see log.py) and costs one statement however many there are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from trivet.clock import Clock
from trivet.errors import NotFound, Stale
from trivet.ids import Ids
from trivet.store.tables import R, Table, Value
from trivet.store.where import Where

Verb = Literal["created", "updated", "deleted"]


class Change(msgspec.Struct, frozen=True):
    """An event before it has its place in the log."""

    noun: str
    id: str
    verb: str
    revision: int
    project_id: str | None = None
    host_id: str | None = None
    detail: str | None = None


class Last(Protocol):
    """What a transaction does when all else is done: to rows that many meet at, and in one order."""

    async def finish(self, tx: "Tx") -> None:
        """Doing it twice is doing it once."""
        ...


L = TypeVar("L", bound=Last)


class Tx(ABC):
    def __init__(self, clock: Clock, ids: Ids) -> None:
        self.clock = clock
        self.ids = ids
        self.changes: list[Change] = []
        self._last: dict[type[Last], Last] = {}

    # -- what a database must offer

    @abstractmethod
    async def rows(self, sql: str, *values: Value) -> Sequence[Sequence[Any]]:
        """All rows of a query. Placeholders are `?` for both databases."""

    @abstractmethod
    async def row(self, sql: str, *values: Value) -> Sequence[Any] | None: ...

    @abstractmethod
    async def run(self, sql: str, *values: Value) -> int:
        """Execute; the number of rows it touched."""

    @abstractmethod
    async def has_table(self, name: str) -> bool:
        """Whether the schema has it; of an empty database nothing else can be asked."""

    @abstractmethod
    async def columns_of(self, table: str) -> set[str]:
        """Those that the database has, which a newer program may find too few."""

    @abstractmethod
    async def savepoint(self) -> None:
        """What follows can be undone by `undo` without losing the transaction. They nest."""

    @abstractmethod
    async def undo(self) -> None: ...

    @abstractmethod
    async def keep(self) -> None: ...

    # -- records

    async def get(self, table: Table[R], id: str) -> R | None:
        row = await self.row(table.sql_get, id)
        return table.from_row(row) if row is not None else None

    async def need(self, table: Table[R], id: str, noun: str) -> R:
        """Get it, or say in the caller's words that there is none."""
        record = await self.get(table, id)
        if record is None:
            raise NotFound(f"{noun}.absent", f"{noun.capitalize()} {id} could not be found.")
        return record

    async def find(self, table: Table[R], condition: str, *values: Value) -> R | None:
        row = await self.row(f"{table.sql_select} WHERE {condition} LIMIT 1", *values)
        return table.from_row(row) if row is not None else None

    async def select(
        self, table: Table[R], where: Where | None = None, *, order: str = "", limit: int | None = None, offset: int = 0
    ) -> list[R]:
        """`offset` goes with a limit only."""
        sql = table.sql_select + (where.sql if where else "")
        if order:
            sql += f" ORDER BY {order}"
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
            if offset:
                sql += f" OFFSET {int(offset)}"
        load = table.from_row
        return [load(row) for row in await self.rows(sql, *(where.values if where else ()))]

    async def insert(self, table: Table[R], record: R, *, detail: str | None = None) -> R:
        await self.run(table.sql_insert, *table.to_row(record))
        self._note(table, record, "created", detail)
        return record

    async def insert_new(self, table: Table[R], record: R) -> bool:
        """Insert unless a row with the same key is there; says whether it was new."""
        if not await self.run(table.sql_insert_or_ignore, *table.to_row(record)):
            return False
        self._note(table, record, "created", None)
        return True

    async def update(self, table: Table[R], record: R, /, *, note: str | None = None, **changes: object) -> R:
        """Write the changed fields if nobody else wrote since `record` was read; else Stale."""
        changed = {k: v for k, v in changes.items() if getattr(record, k) != v}
        if not changed:
            return record
        values = [table.encode(column, value) for column, value in changed.items()]
        if not await self.run(table.sql_update(tuple(changed)), *values, record.id, record.revision):
            raise Stale(table.name, record.id)
        written = msgspec.structs.replace(record, revision=record.revision + 1, **changed)
        self._note(table, written, "updated", note)
        return written

    async def delete(self, table: Table[R], record: R) -> None:
        if not await self.run(table.sql_delete, record.id, record.revision):
            raise Stale(table.name, record.id)
        self._note(table, record, "deleted", None)

    # -- the end

    def last(self, kind: type[L]) -> L:
        """The one of this kind that belongs to this transaction, to be told what it shall do."""
        found = self._last.get(kind)
        if found is None:
            found = self._last[kind] = kind()
        return found  # type: ignore[return-value] # kept by its own type

    async def finish(self) -> None:
        """Called before every commit; earlier by who wants to know at once whether it can be done."""
        for last in self._last.values():
            await last.finish(self)

    # -- the log

    def note(self, change: Change) -> None:
        """Say something in the log that no record's change says."""
        self.changes.append(change)

    def _note(self, table: Table[R], record: R, verb: Verb, detail: str | None) -> None:
        if not table.logged:
            return
        change = Change(
            noun=table.name,
            id=record.id,
            verb=verb,
            revision=record.revision,
            project_id=getattr(record, "project_id", None) if table.has_project else None,
            host_id=getattr(record, "host_id", None) if table.has_host else None,
            detail=detail,
        )
        self.changes.append(change)
        other = getattr(record, "other_host_id", None)
        if other is not None:
            # What is on two hosts concerns them both.
            self.changes.append(msgspec.structs.replace(change, host_id=other))
