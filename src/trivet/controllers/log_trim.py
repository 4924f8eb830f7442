"""Keeps the log, the revocations and the signing keys from growing old."""

from trivet.domain import revocations, signing_keys
from trivet.parts import Parts
from trivet.store import log
from trivet.store.leases import Lease, fence
from trivet.store.tx import Tx

_KEEP_S = 24 * 3600.0
_LOOK_EVERY_S = 600.0
_KEY_DAYS = 30
_MARGIN_S = 60.0


class LogTrim:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, lease: Lease) -> None:
        while True:
            async with self._parts.store.write() as tx:
                await fence(tx, lease)
                await self.step(tx)
            await self._parts.clock.sleep(_LOOK_EVERY_S)

    async def step(self, tx: Tx) -> None:
        now = tx.clock.now()
        await log.drop_before(tx, now - _KEEP_S)
        await revocations.drop_before(tx, now - self._parts.settings.token_s - _MARGIN_S)
        if await signing_keys.age_s(tx) > _KEY_DAYS * 24 * 3600:
            await signing_keys.rotate(tx, self._parts.tokens)
