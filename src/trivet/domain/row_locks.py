"""Holding: what is referred to stays until who refers to it has committed.

Where no foreign key says so, both sides hold the row first: who refers to it, and who removes it, before looking for
what refers to it. So one of them waits, and then sees what the other did.
"""

from typing import Literal

from trivet.errors import NotFound, Stale
from trivet.store.tables import R, Table
from trivet.store.tx import Tx


async def hold(tx: Tx, table: Table[R], id: str) -> None:
    """A row that was there a moment ago. If it is gone the act runs again, and says so in its own words."""
    if not await tx.run(f"UPDATE {table.name} SET revision = revision WHERE id = ?", id):
        raise Stale(table.name, id)


async def hold_known(tx: Tx, table: Table[R], id: str, noun: Literal["project", "user"]) -> None:
    """If identity knows it: operators may name what it does not. Nothing is made for what was removed a moment ago,
    by who asked while he still might: that his tokens were cut outlives the last of them."""
    if await tx.run(f"UPDATE {table.name} SET revision = revision WHERE id = ?", id):
        return
    if await tx.row("SELECT 1 FROM revocations WHERE target = ? AND what = ? LIMIT 1", id, noun) is not None:
        raise NotFound(f"{noun}.absent", f"Could not find {noun}: {id[:64]}.")
