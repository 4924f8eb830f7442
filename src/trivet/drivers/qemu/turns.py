"""Verbs on one machine take turns, whoever calls them: tasks of this process, or two processes of ours.

The lock is on the machine's folder itself, so it needs no file of its own and goes with whoever held it.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from trivet.drivers.contracts.errors import DriverError

_PATIENCE_S = 10.0
"""With another process. Tasks of this one wait in line for as long as it takes."""


class Absent(DriverError):
    def __init__(self, noun: str = "virtual machine") -> None:
        super().__init__(f"There is no such {noun} on this host.", again=False)


class Turns:
    def __init__(self, noun: str = "virtual machine") -> None:
        self._noun = noun
        self._here: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, folder: Path) -> AsyncIterator[None]:
        """Raises Absent if there is no folder, or no longer."""
        lock, waiting = self._here.get(folder.name, (asyncio.Lock(), 0))
        self._here[folder.name] = (lock, waiting + 1)
        try:
            async with lock:
                fd = await _locked(folder, self._noun)
                try:
                    yield
                finally:
                    os.close(fd)
        finally:
            lock, waiting = self._here[folder.name]
            if waiting == 1:
                del self._here[folder.name]
            else:
                self._here[folder.name] = (lock, waiting - 1)


async def _locked(folder: Path, noun: str) -> int:
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_S
    while True:
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise Absent(noun) from None
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It may have been removed, and made again, while we waited.
            with suppress(FileNotFoundError):
                if folder.stat().st_ino == os.fstat(fd).st_ino:
                    return fd
        os.close(fd)
        if loop.time() > until:
            raise DriverError(f"Another process works on the {noun}.", again=True)
        await asyncio.sleep(0.05)
