"""Lists: one page of a table, narrowed, sorted and cut by the database, for every dialect and every noun.

A page begins behind its marker, at the place where that row stands in the order, so no page costs more than the first.
From where a row stands in an order its contents can be told: a marker is one of the rows that are `seen`, which is
what the list is of and what its caller may look at. It need not pass the filters that were asked for, since it may
have changed after the page that it ended; who wants that as well hands over the filtered rows as `seen`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from trivet.errors import TrivetError
from trivet.store.tables import R, Table, Value
from trivet.store.tx import Tx
from trivet.store.where import Sort, Where, order_by

Keep = Callable[[list[R]], Awaitable[list[R]]]
"""Of a lot of records those that pass, where SQL cannot tell."""
_LOT = 500


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What page it shall be."""

    sort: Sort
    limit: int | None = None
    offset: int = 0
    """Rows to leave out, for dialects that have no markers; whoever gives it gives a limit."""
    marker: str | None = None
    named: str = "id"
    """The column by which a marker is named."""
    absent: Callable[[str], TrivetError]
    """What is said of a marker that is not seen."""
    backwards: bool = False
    """The page that ends before the marker."""


async def page(
    tx: Tx, table: Table[R], where: Where, asked: Asked, *, seen: Where, keep: Keep[R] | None = None
) -> list[R]:
    sort, where = await _begun(tx, table.name, where, asked, seen)
    if keep is None:
        order = order_by(sort)
        found = await tx.select(table, where, order=order, limit=asked.limit, offset=asked.offset)
    else:
        found = await _kept(tx, table, where, (sort, asked.limit), keep)
    if asked.backwards:
        found.reverse()
    return found


async def rows(
    tx: Tx, table: str, columns: Sequence[str], where: Where, asked: Asked, *, seen: Where
) -> Sequence[Sequence[Any]]:
    """The same, of a table whose rows are no records."""
    sort, where = await _begun(tx, table, where, asked, seen)
    sql = f"SELECT {', '.join(columns)} FROM {table}{where.sql} ORDER BY {order_by(sort)}"
    return await tx.rows(sql if asked.limit is None else f"{sql} LIMIT {int(asked.limit)}", *where.values)


async def count(tx: Tx, table: str, where: Where) -> int:
    row = await tx.row(f"SELECT COUNT(*) FROM {table}{where.sql}", *where.values)
    assert row is not None
    return int(row[0])


async def _begun(tx: Tx, table: str, where: Where, asked: Asked, seen: Where) -> tuple[Sort, Where]:
    """The order, and what is left behind the marker."""
    sort = tuple((column, not descending) for column, descending in asked.sort) if asked.backwards else asked.sort
    if asked.marker is None:
        return sort, where
    place = await _place(tx, table, seen.copy().equal(asked.named, asked.marker), sort)
    if place is None:
        raise asked.absent(asked.marker)
    return sort, where.copy().after(sort, place)


async def _place(tx: Tx, table: str, one: Where, sort: Sort) -> list[Value] | None:
    row = await tx.row(f"SELECT {', '.join(column for column, _ in sort)} FROM {table}{one.sql}", *one.values)
    return list(row) if row is not None else None


async def _kept(tx: Tx, table: Table[R], where: Where, order: tuple[Sort, int | None], keep: Keep[R]) -> list[R]:
    sort, limit = order
    found: list[R] = []
    rest = where
    while True:
        lot = await tx.select(table, rest, order=order_by(sort), limit=_LOT)
        found += await keep(lot)
        if len(lot) < _LOT or (limit is not None and len(found) >= limit):
            return found[:limit]
        place = await _place(tx, table.name, Where().equal("id", lot[-1].id), sort)
        assert place is not None
        rest = where.copy().after(sort, place)
