"""The log, read by people: who changed what, when, and by which request. It is kept as long as the operator says."""

from trivet.store import log
from trivet.store.log import Entry
from trivet.store.tx import Tx
from trivet.store.where import Where

ENTRIES_MAX = 1000
FILTERS = ("noun", "noun_id", "project_id", "user_id", "request_id", "verb")


async def search(tx: Tx, asked: dict[str, str], *, after: int | None, since: float | None, limit: int) -> list[Entry]:
    """Entries in the order in which they happened, after `after` or else the newest."""
    where = Where()
    for name, value in asked.items():
        where = where.add(f"{name} = ?", value)
    if after is not None:
        where = where.add("seq > ?", after)
    if since is not None:
        where = where.add("at >= ?", since)
    return await log.entries(tx, where, newest=after is None, limit=limit)
