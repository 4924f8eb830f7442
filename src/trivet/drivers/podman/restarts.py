"""Starting containers again by their policy, each time a little later.

podman could do it, but without any pause: one container that fails at once then takes two cores of the
host, outside of its own limits. So it is done here, while somebody reads the driver's watch.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from trivet.clock import pause_s
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
"""Who ran for longer than this is forgiven what was before."""


class Restarts:
    def __init__(self, start: Callable[[str], Awaitable[None]]) -> None:
        self._start = start
        self._ends: dict[str, int] = {}
        self._began: dict[str, float] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}

    def ended(self, id: str) -> None:
        if id in self._waiting:
            return
        loop = asyncio.get_running_loop()
        if loop.time() - self._began.get(id, loop.time()) > LONGEST_PAUSE_S:
            self._ends.pop(id, None)
        ends = self._ends[id] = self._ends.get(id, 0) + 1
        pause = pause_s(ends, first_s=FIRST_PAUSE_S, most_s=LONGEST_PAUSE_S)
        self._waiting[id] = loop.create_task(self._later(id, pause))

    def forget(self, id: str) -> None:
        """It was stopped or removed, or started by somebody else: no reason to hurry or to wait any more."""
        self._ends.pop(id, None)
        self._began.pop(id, None)
        task = self._waiting.pop(id, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        for id in list(self._waiting):
            self.forget(id)

    async def _later(self, id: str, pause: float) -> None:
        await asyncio.sleep(pause)
        # Out of the list first: from here on it is a start like any other, and is not cut short.
        self._waiting.pop(id, None)
        try:
            await self._start(id)
        except DriverError as e:
            log.warning("container %s was not started again: %s", id, e.why)
            self.ended(id)
            return
        self._began[id] = asyncio.get_running_loop().time()


def wants_restart(spec: MachineSpec, exit_code: int, restarts: int = 0) -> bool:
    """Of a container that ended by itself, and was started again so often."""
    if spec.restart == "on-failure":
        return exit_code != 0 and (not spec.restarts_most or restarts < spec.restarts_most)
    return spec.restart == "always"
