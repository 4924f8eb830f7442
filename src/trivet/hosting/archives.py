"""Archives of layered images, put together as files for the engines of this machine, which read files.

They are a cache: engines keep what they have unpacked, so a file that was not asked for lately goes.
"""

import asyncio
import os
import time
from pathlib import Path

from trivet.domain.images import layered
from trivet.drivers import durable
from trivet.drivers.contracts.blobs import Blobs
from trivet.drivers.contracts.errors import DriverError

_KEPT_S = 600.0


class Archives:
    def __init__(self, data: Path, blobs: Blobs) -> None:
        self._folder = data / "scratch" / "archives"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._blobs = blobs
        self._making: dict[str, asyncio.Lock] = {}

    async def path(self, key: str) -> str:
        path = self._folder / key
        async with self._making.setdefault(key, asyncio.Lock()):
            await asyncio.to_thread(self._drop_old)
            if not path.exists():
                await self._make(key, path)
            os.utime(path)
        self._making.pop(key, None)
        return str(path)

    async def _make(self, key: str, path: Path) -> None:
        if await self._blobs.size(key) is None:
            raise DriverError("The image's data is gone from this cloud's store.", again=False)
        part = durable.part_of(path)
        try:
            with await asyncio.to_thread(part.open, "wb") as file:
                async for chunk in layered.read(self._blobs, await layered.recipe_of(self._blobs, key)):
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(durable.sync, file)
            durable.move(part, path)
        except OSError as error:
            raise DriverError(f"The image cannot be laid out on this host: {error.strerror}.", again=True) from error
        finally:
            part.unlink(missing_ok=True)

    def _drop_old(self) -> None:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if time.time() - entry.stat().st_mtime > _KEPT_S:
                    Path(entry.path).unlink(missing_ok=True)
