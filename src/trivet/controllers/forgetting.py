"""Forgetting: keeps the log, the revocations, what was delegated and what projects left from growing old."""

from trivet.controllers import chores
from trivet.domain.identity.delegation import oauth, trusts
from trivet.domain.identity.tokens import revocations
from trivet.domain.network.groups import security_groups
from trivet.parts import Parts
from trivet.store import log
from trivet.store.leases import Lease
from trivet.store.tx import Tx

_DAY_S = 24 * 3600.0
_AT_ONCE = 2000
_MARGIN_S = 60.0


class Forgetting:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, lease: Lease) -> None:
        jobs: dict[str, chores.Job] = {
            "trimming the log": self.trim,
            "dropping old revocations": self.drop_revocations,
            "dropping ended trusts": self.drop_delegations,
            "dropping left groups": security_groups.drop_left,
        }
        await chores.do_all(self._parts.store, lease, jobs)

    async def trim(self, tx: Tx) -> bool:
        return await log.drop_before(tx, tx.clock.now() - self._parts.settings.audit_days * _DAY_S, _AT_ONCE) > 0

    async def drop_revocations(self, tx: Tx) -> bool:
        await revocations.drop_before(tx, tx.clock.now() - self._parts.settings.token_s - _MARGIN_S)
        return False

    async def drop_delegations(self, tx: Tx) -> bool:
        """Trusts and OAuth tokens. For a while they are told as ended, and longer than a token that rests on one."""
        before = tx.clock.now() - self._parts.settings.token_s - _DAY_S
        dropped = await trusts.drop_ended(tx, before, _AT_ONCE) + await oauth.drop_ended(tx, before, _AT_ONCE)
        return dropped > 0
