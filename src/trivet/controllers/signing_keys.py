"""Signing keys: changed when they are old, so that a stolen one is of use for a while only."""

from trivet.controllers import chores
from trivet.domain.identity.tokens import signing_keys
from trivet.parts import Parts
from trivet.store.leases import Lease
from trivet.store.tx import Tx

_LIVES_S = 30 * 24 * 3600.0


class KeyController:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, lease: Lease) -> None:
        await chores.do_all(self._parts.store, lease, {"changing the signing keys": self.change})

    async def change(self, tx: Tx) -> bool:
        if await signing_keys.age_s(tx) > _LIVES_S:
            await signing_keys.rotate(tx, self._parts.secrets)
        return False
