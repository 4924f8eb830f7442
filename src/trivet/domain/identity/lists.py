"""Lists: some rows of a table, one page of them, as identity's clients ask: by what a field is, or contains.

The database filters, sorts and cuts; what only a record can tell (`keep`) is asked of a few rows at a time. A marker
is one of the rows that are asked for: who does not see a row hears nothing from naming it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from trivet.errors import Invalid, NotFound
from trivet.store.tables import R, Table
from trivet.store.tx import Tx
from trivet.store.where import Where, order_by

LIMIT_MAX = 1_000
_AT_ONCE = 500
_CONDITIONS = {
    "contains": "REPLACE({column}, {value}, '') <> {column}",
    "startswith": "SUBSTR({column}, 1, LENGTH({value})) = {value}",
    "endswith": "LENGTH({column}) >= LENGTH({value})"
    " AND SUBSTR({column}, LENGTH({column}) - LENGTH({value}) + 1) = {value}",
}


class Asked(msgspec.Struct, frozen=True):
    filters: tuple[tuple[str, str], ...] = ()
    """Pairs of field and value; the field may have a comparison behind it: name__icontains."""
    limit: int | None = None
    marker: str | None = None


class Page(msgspec.Struct, frozen=True):
    found: list[Any]
    truncated: bool


async def page(
    tx: Tx,
    table: Table[R],
    where: Where,
    asked: Asked,
    *,
    columns: Sequence[str],
    order: Sequence[str] = ("name", "id"),
    keep: Callable[[R], bool] | None = None,
) -> Page:
    """`columns` are the fields that may be asked for. Without a limit all that is there, as upstream."""
    where = _narrowed(table, where, asked, columns)
    sort = [(column, False) for column in order]
    last = await _marked(tx, table, where, asked.marker, keep)
    wanted = None if asked.limit is None else min(asked.limit, LIMIT_MAX) + 1
    size = wanted if keep is None or wanted is None else max(wanted, _AT_ONCE)
    found: list[R] = []
    while True:
        after = where.copy()
        if last is not None:
            after.after(sort, [getattr(last, column) for column in order])
        rows = await tx.select(table, after, order=order_by(sort), limit=size)
        found += rows if keep is None else [row for row in rows if keep(row)]
        if wanted is None or size is None or len(rows) < size or len(found) >= wanted:
            break
        last = rows[-1]
    if wanted is not None and len(found) >= wanted:
        return Page(found[: wanted - 1], truncated=True)
    return Page(found, truncated=False)


async def _marked(
    tx: Tx, table: Table[R], where: Where, marker: str | None, keep: Callable[[R], bool] | None
) -> R | None:
    if marker is None:
        return None
    rows = await tx.select(table, where.copy().equal("id", marker))
    if not rows or (keep is not None and not keep(rows[0])):
        raise NotFound("marker.absent", f"Marker {marker[:64]} could not be found.")
    return rows[0]


def _narrowed(table: Table[R], where: Where, asked: Asked, columns: Sequence[str]) -> Where:
    where = where.copy()
    for said, value in asked.filters:
        field, _, how = said.partition("__")
        if field not in columns:
            continue
        if how:
            _compare(where, field, how, value)
        elif table.is_flag(field):
            where.equal(field, int(value.lower() not in ("0", "false", "no", "off")))
        elif value == "":
            where.add(f"COALESCE({field}, '') = ''")
        else:
            where.equal(field, value)
    return where


def _compare(where: Where, field: str, how: str, value: str) -> None:
    folded = how.startswith("i")
    condition = _CONDITIONS.get(how[1:] if folded else how)
    if condition is None:
        raise Invalid("query.invalid", f"There is no comparison {how[:64]!r}.")
    if value == "":
        where.add(f"{field} IS NOT NULL")
        return
    column, mark = (f"LOWER({field})", "LOWER(?)") if folded else (field, "?")
    where.add(f"({condition.format(column=column, value=mark)})", *[value] * condition.count("{value}"))
