"""Bases: copies of images that roots of machines grow from, each once on the host and gone with the last root."""

import asyncio
from pathlib import Path

from trivet.drivers.contracts.machine import Disk
from trivet.drivers.qemu import images
from trivet.drivers.qemu.layout import write

_FOLDER = "_base"
_LOOKS = 8
"""Images looked at together: one that takes all the time it may keeps few others waiting."""


class Bases:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / _FOLDER
        self._turn = asyncio.Lock()
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._looks = asyncio.Semaphore(_LOOKS)

    async def make_root(self, disk: Disk, kept: Path, root: Path) -> None:
        """`kept` holds the name of its base, so that this stays as long as the disk."""
        name = images.base_name(disk)
        base = self._folder / name
        if not base.exists():
            await self._check(disk, name)
        async with self._turn:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write(kept, name.encode())
            await images.make_base(disk, base)
        await images.make_root(disk, base, root)

    async def drop(self, name: str) -> None:
        async with self._turn:
            for other in self._directory.glob("*/*base"):
                if other.read_text() == name:
                    return
            (self._folder / name).unlink(missing_ok=True)

    async def _check(self, disk: Disk, name: str) -> None:
        """Once for all machines that wait for the same image, and nobody else waits for it."""
        checking = self._checks.get(name)
        if checking is None:
            checking = self._checks[name] = asyncio.create_task(self._look_at(disk), name=f"check {name}")
            checking.add_done_callback(lambda _: self._checks.pop(name))
        await asyncio.shield(checking)

    async def _look_at(self, disk: Disk) -> None:
        async with self._looks:
            await images.check(disk)
