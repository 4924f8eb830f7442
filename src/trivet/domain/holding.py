"""Holding: what is referred to stays until who refers to it has committed.

Where no foreign key says so, both sides hold the row first: who refers to it, and who removes it, before looking for
what refers to it. So one of them waits, and then sees what the other did.
"""

from trivet.errors import Stale
from trivet.store.tables import R, Table
from trivet.store.tx import Tx


async def hold(tx: Tx, table: Table[R], id: str) -> None:
    """A row that was there a moment ago. If it is gone the act runs again, and says so in its own words."""
    if not await tx.run(f"UPDATE {table.name} SET revision = revision WHERE id = ?", id):
        raise Stale(table.name, id)
