"""Keeps the log, the revocations, the signing keys, what was delegated and what projects left from growing old.

Five jobs that know nothing of each other: each has its own transactions, and its own pause when it fails. They are
short, since each locks the duty's lease, which is renewed every other second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from trivet.clock import pause_s
from trivet.domain.identity.delegation import oauth, trusts
from trivet.domain.identity.tokens import revocations, signing_keys
from trivet.domain.network.groups import security_groups
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import Busy
from trivet.parts import Parts
from trivet.store import log
from trivet.store.leases import Lease, Lost, fence
from trivet.store.store import transact
from trivet.store.tx import Tx

_KEEP_S = 24 * 3600.0
_LOOK_EVERY_S = 600.0
_BREATH_S = 0.1
_AT_ONCE = 2000
_KEY_DAYS = 30
_MARGIN_S = 60.0
_logger = logging.getLogger(__name__)

Job = Callable[[Tx], Awaitable[bool]]
"""Does a part, and says whether there is more."""


class LogTrim:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, lease: Lease) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._now_and_then("trimming the log", self.trim, lease))
            group.create_task(self._now_and_then("dropping old revocations", self.drop_revocations, lease))
            group.create_task(self._now_and_then("dropping ended trusts", self.drop_delegations, lease))
            group.create_task(self._now_and_then("dropping left groups", security_groups.drop_left, lease))
            group.create_task(self._now_and_then("changing the signing keys", self.change_keys, lease))

    async def trim(self, tx: Tx) -> bool:
        return await log.drop_before(tx, tx.clock.now() - _KEEP_S, _AT_ONCE) > 0

    async def drop_revocations(self, tx: Tx) -> bool:
        await revocations.drop_before(tx, tx.clock.now() - self._parts.settings.token_s - _MARGIN_S)
        return False

    async def drop_delegations(self, tx: Tx) -> bool:
        """Trusts and OAuth tokens. For a while they are told as ended, and longer than a token that rests on one."""
        before = tx.clock.now() - self._parts.settings.token_s - _KEEP_S
        dropped = await trusts.drop_ended(tx, before, _AT_ONCE) + await oauth.drop_ended(tx, before, _AT_ONCE)
        return dropped > 0

    async def change_keys(self, tx: Tx) -> bool:
        if await signing_keys.age_s(tx) > _KEY_DAYS * 24 * 3600:
            await signing_keys.rotate(tx, self._parts.tokens)
        return False

    async def _now_and_then(self, what: str, job: Job, lease: Lease) -> None:
        async def act(tx: Tx) -> bool:
            await fence(tx, lease)
            return await job(tx)

        failures = 0
        while True:
            try:
                more = await foreseen(what, transact(self._parts.store, act), Busy, Lost)
                failures, wait_s = 0, _BREATH_S if more else _LOOK_EVERY_S
            except (Busy, DriverError) as error:
                failures += 1
                wait_s = pause_s(failures)
                _logger.warning("%s is left for later: %s", what.capitalize(), error)
            await self._parts.clock.sleep(wait_s)
