"""Halting a host: its servers are asked to stop, and remembered, so that they come back with the host.

A guest that powers itself off stays off. One that was running when the operator stopped the cloud is
another matter: the list of those lies beside the engines' files until the next start reads it.
"""

import asyncio
import logging
from pathlib import Path

from trivet.agent.engines import Engines
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineDriver

_GRACE_S = 8.0
_logger = logging.getLogger(__name__)


async def halt(engines: Engines, memory: Path) -> None:
    """Stop everything that runs on the host, all at once; what does not stop in time is cut off."""
    running: list[tuple[str, MachineDriver]] = []
    for kind, driver in engines.machines.items():
        try:
            seen = await driver.observe()
        except DriverError as error:
            _logger.warning("Which %ss run cannot be seen, so they are not stopped: %s", kind, error.why)
            continue
        running += [(id, driver) for id, machine in seen.items() if machine.power in ("running", "paused")]
    if not running:
        return
    _logger.info("Stopping %d servers; they come back at the next start", len(running))
    engines.halted.add({id for id, _ in running}, memory)
    ends = await asyncio.gather(*(driver.stop(id, _GRACE_S) for id, driver in running), return_exceptions=True)
    for (id, _), end in zip(running, ends, strict=True):
        if isinstance(end, BaseException):
            _logger.warning("Server %s could not be stopped: %s", id, end, exc_info=end)


def remember(engines: Engines, memory: Path) -> None:
    """At the start: who was stopped by `halt`."""
    engines.halted.read(memory)
