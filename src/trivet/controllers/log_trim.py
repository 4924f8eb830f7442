"""Keeps the log from growing for ever."""

from trivet.store import log
from trivet.store.leases import Lease
from trivet.store.store import Store

_KEEP_S = 24 * 3600.0
_LOOK_EVERY_S = 600.0


class LogTrim:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, lease: Lease) -> None:
        while True:
            async with self._store.write() as tx:
                await log.drop_before(tx, tx.clock.now() - _KEEP_S)
            await self._store.clock.sleep(_LOOK_EVERY_S)
