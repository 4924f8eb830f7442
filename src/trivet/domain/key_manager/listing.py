"""Pages of whatever the key manager lists: some of them, from the offset on, and how many there are in all."""

from collections.abc import Sequence

import msgspec

from trivet.store.tables import R, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Page(msgspec.Struct, frozen=True):
    limit: int = 10
    offset: int = 0


OLDEST_FIRST = "created_at, id"


async def page(tx: Tx, table: Table[R], where: Where, wanted: Page, order: str = OLDEST_FIRST) -> tuple[list[R], int]:
    row = await tx.row(f"SELECT COUNT(*) FROM {table.name}{where.sql}", *where.values)
    assert row is not None
    cut = f"{order} LIMIT {int(wanted.limit)} OFFSET {int(wanted.offset)}"
    return await tx.select(table, where, order=cut), int(row[0])


def ordered(table: Table[R], sort: Sequence[tuple[str, bool]]) -> str:
    """(column, descending), and in the end by age."""
    said = [f"{table.ordered(column)} {'DESC' if down else 'ASC'}" for column, down in sort]
    return ", ".join([*said, OLDEST_FIRST])
