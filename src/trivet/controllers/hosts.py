"""Hosts: the count by which those that are silent are told from those that live (domain/hosts/pulse.py)."""

import logging

from trivet.domain.hosts import pulse
from trivet.store.leases import Lease, fence
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_NAMED = 5
_logger = logging.getLogger(__name__)


class HostController:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, lease: Lease) -> None:
        """Sleeps first: who takes the count over does not hurry it."""
        while True:
            await self._store.clock.sleep(pulse.TICK_S)
            await self.step(lease)

    async def step(self, lease: Lease) -> None:
        async def act(tx: Tx) -> list[str]:
            await fence(tx, lease)
            return await pulse.count(tx)

        silent = await transact(self._store, act)
        if silent:
            named = ", ".join(silent[:_NAMED]) + (f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else "")
            _logger.warning("No sign of life for half a minute from %s", named)
