"""Power: what a host's BMC says of it."""

import asyncio
from collections.abc import Mapping, Sequence

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.power import PowerDriver
from trivet.drivers.contracts.probe import Finding, Target

_AT_ONCE = 16


class BmcPower:
    name = "power"
    source = "redfish"
    every_s = 2.0
    downs = 1

    def __init__(self, driver: PowerDriver) -> None:
        self._driver = driver
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def look(self, targets: Sequence[Target]) -> Mapping[str, Finding]:
        asked = [target for target in targets if target.bmc is not None]
        found = await asyncio.gather(*map(self._look, asked))
        return {target.host_id: finding for target, finding in zip(asked, found, strict=True)}

    async def _look(self, target: Target) -> Finding:
        assert target.bmc is not None
        try:
            async with self._places:
                power = await self._driver.look(target.bmc)
        except DriverError as error:
            return Finding("unknown", error.why)
        return Finding("up" if power == "on" else "down")
