"""Lists: pages of whatever the block-storage API lists, in an order that the caller chooses."""

from collections.abc import Sequence

import msgspec

from trivet.errors import Invalid
from trivet.store.tables import R, Table
from trivet.store.tx import Tx
from trivet.store.where import Where, order_by


class Page(msgspec.Struct, frozen=True, kw_only=True):
    sort: tuple[tuple[str, bool], ...] = (("created_at", True),)
    """(column, descending)"""
    limit: int = 1000
    offset: int = 0
    marker: str | None = None
    owner: str | None = None
    """Of the marker, too; None: anybody."""


async def page(tx: Tx, table: Table[R], where: Where, wanted: Page) -> list[R]:
    sort = (*wanted.sort, ("id", wanted.sort[-1][1] if wanted.sort else True))
    # NULL is neither before nor after anything; here it counts as the empty word.
    columns = [(f"COALESCE({column}, '')" if column in ("name",) else column, down) for column, down in sort]
    if wanted.marker is not None:
        last = await tx.get(table, wanted.marker)
        if last is None or wanted.owner not in (None, getattr(last, "project_id", wanted.owner)):
            raise Invalid("marker.absent", f"marker [{wanted.marker[:64]}] not found", status=404)
        where.after(columns, [_value(table.encode(column, getattr(last, column)), column) for column, _ in sort])
    order = order_by(columns)
    if wanted.offset:
        order += f" LIMIT {int(wanted.limit)} OFFSET {int(wanted.offset)}"
        return await tx.select(table, where, order=order)
    return await tx.select(table, where, order=order, limit=wanted.limit)


def _value(value: str | int | float | bytes | None, column: str) -> str | int | float | bytes | None:
    return value or "" if column == "name" else value


async def count(tx: Tx, table_name: str, where: Where) -> int:
    row = await tx.row(f"SELECT COUNT(*) FROM {table_name}{where.sql}", *where.values)
    assert row is not None
    return int(row[0])


async def count_and_gib(tx: Tx, table_name: str, where: Where) -> tuple[int, int]:
    """Of what has a size: how many there are, and how large they are together."""
    row = await tx.row(f"SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM {table_name}{where.sql}", *where.values)
    assert row is not None
    return int(row[0]), int(row[1])


def sorted_by(said: Sequence[tuple[str, bool]], columns: dict[str, str]) -> tuple[tuple[str, bool], ...]:
    """The caller's keys as columns of ours."""
    for key, _ in said:
        if key not in columns:
            raise Invalid("query.sort", f"Sort key {key[:64]!r} is none; it is one of {', '.join(sorted(columns))}.")
    found = {columns[key]: down for key, down in said}
    return tuple(found.items()) or (("created_at", True),)
