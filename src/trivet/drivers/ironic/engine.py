"""The engine's process: started, watched, started again; it ends with us."""

import asyncio
import importlib.util
import logging
import sys
from contextlib import suppress

from trivet.clock import pause_s
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.ironic.config import READY, Wanted, write

_READY_S = 120.0
"""On a busy machine; alone it takes two."""
_STOP_S = 10.0
_AGAIN_FIRST_S, _AGAIN_MOST_S = 0.5, 30.0
_logger = logging.getLogger(__name__)


def missing() -> list[str]:
    """What this machine lacks for it."""
    return [] if importlib.util.find_spec("ironic") else ["Ironic (pip install 'trivet[metal]')"]


class IronicProcess:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def keep(self) -> None:
        """Runs until it is cancelled."""
        failures = 0
        try:
            while True:
                try:
                    await self.start()
                    failures = 0
                    assert self._process is not None
                    code = await self._process.wait()
                    _logger.warning("Ironic ended with %s; it is started again", code)
                except DriverError as error:
                    _logger.warning("%s", error.why)
                failures += 1
                await asyncio.sleep(pause_s(failures, first_s=_AGAIN_FIRST_S, most_s=_AGAIN_MOST_S))
        finally:
            await self.stop()

    async def start(self) -> None:
        """Returns when it answers."""
        write(self._wanted)
        words = [sys.executable, "-m", "trivet.drivers.ironic.child", str(self._wanted.file)]
        with (self._wanted.folder / "child.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *words,
                *([self._wanted.door] if self._wanted.door else []),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_READY_S):
                said = await self._process.stdout.readline()
        except TimeoutError:
            said = b""
        if said != READY:
            await self.stop()
            raise DriverError(f"Ironic did not start; {self._wanted.folder}/child.log says why.", again=True)

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
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
