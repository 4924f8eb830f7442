"""Orphans: bytes that no row points at, since whoever wrote them died before he wrote the row.

The name of a blob says when it was made. One that is young may be on its way to its row; one that is old and that no
row names never will be.
"""

import logging
from collections.abc import Awaitable, Callable

from trivet.drivers.contracts.errors import DriverError
from trivet.parts import Parts
from trivet.store.tx import Tx

ORPHAN_S = 3600.0
"""For so long a blob without a row may be one that is being written."""
_logger = logging.getLogger(__name__)


def new_key(parts: Parts, kind: str) -> str:
    return f"{kind}.{int(parts.clock.now()):x}.{parts.ids.uuid()}"


async def remove_orphans(parts: Parts, kind: str, used: Callable[[Tx], Awaitable[set[str]]]) -> None:
    """Blobs first and rows second: what gets its row in between is not old enough."""
    limit = parts.clock.now() - ORPHAN_S
    prefix = f"{kind}."
    old = [key for key in await parts.blobs.keys(kind) if key.startswith(prefix) and _made_at(key, prefix) < limit]
    if not old:
        return
    async with parts.store.read() as tx:
        keep = await used(tx)
    for key in old:
        if key not in keep:
            _logger.info("Removing the orphan %s", key)
            await removed(parts, key)


async def removed(parts: Parts, key: str) -> bool:
    """A blob that cannot be removed now stops no other, and is an orphan for the next sweep."""
    try:
        await parts.blobs.remove(key)
    except DriverError as error:
        _logger.warning("%s stays for now: %s", key, error.why)
        return False
    return True


def _made_at(key: str, prefix: str) -> float:
    """Names that are not ours look new, and stay."""
    try:
        return float(int(key.removeprefix(prefix).partition(".")[0], 16))
    except ValueError:
        return float("inf")
