"""Garbage of the registry: layers that no manifest names, uploads that nobody goes on with."""

import logging

from trivet.domain.registry import sweep as registry_sweep
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import Busy
from trivet.parts import Parts
from trivet.store.leases import Lease

_EVERY_S = 60.0
_logger = logging.getLogger(__name__)


class RegistryController:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, lease: Lease | None = None) -> None:
        """Until cancelled."""
        while True:
            try:
                await foreseen("sweeping the registry", registry_sweep.sweep(self._parts), Busy)
            except DriverError as error:
                _logger.warning("The sweep of the registry was cut short: %s", error.why)
            await self._parts.clock.sleep(_EVERY_S)
