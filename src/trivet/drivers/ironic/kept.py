"""A process of ours that is started again whenever it ends, and ends with us."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from trivet.clock import pause_s
from trivet.drivers.contracts.errors import DriverError

_STOP_S = 10.0
_AGAIN_FIRST_S, _AGAIN_MOST_S = 0.5, 30.0
_RAN_WELL_S = 60.0
_logger = logging.getLogger(__name__)

Process = asyncio.subprocess.Process


async def keep(name: str, start: Callable[[], Awaitable[Process]]) -> None:
    """Runs until it is cancelled. `start` returns when it is at work."""
    failures, clock = 0, asyncio.get_running_loop()
    while True:
        began = clock.time()
        try:
            process = await start()
            try:
                code = await process.wait()
            finally:
                await stop(process)
            _logger.warning("%s ended with %s; it is started again", name, code)
        except DriverError as error:
            _logger.warning("%s", error.why)
        failures = failures + 1 if clock.time() - began < _RAN_WELL_S else 1
        await asyncio.sleep(pause_s(failures, first_s=_AGAIN_FIRST_S, most_s=_AGAIN_MOST_S))


async def stop(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
