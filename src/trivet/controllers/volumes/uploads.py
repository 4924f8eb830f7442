"""Images from volumes: the volume is copied out beside the images, and the copy becomes the image's bytes.

That takes its room twice for a while, on the disk that also keeps the database. So it is looked at before, and copies
are made one after the other.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from trivet.domain.images import data as image_data
from trivet.domain.volumes.volumes import Volume
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import CopyingOut, ImageFormat, VolumeDriver
from trivet.errors import Conflict, Invalid, OverQuota
from trivet.parts import Parts
from trivet.store.tx import Tx

_SCRATCH = "volume-images"
_LEFT_FREE = 1 << 30
"""For all else that is kept there."""
_logger = logging.getLogger(__name__)


class Uploads:
    def __init__(self, parts: Parts, driver: VolumeDriver, fence: Callable[[Tx], Awaitable[None]]) -> None:
        self._parts = parts
        self._driver = driver
        self._fence = fence
        self._turn = asyncio.Lock()

    async def fill(self, volume: Volume, image_id: str, format: str) -> None:
        if not isinstance(self._driver, CopyingOut):
            raise DriverError("This back end copies nothing out.", again=False)
        folder = Path(self._parts.settings.data) / _SCRATCH
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / image_id
        written: ImageFormat = "qcow2" if format == "qcow2" else "raw"
        async with self._turn:
            await self._check_room(volume, written, folder)
            try:
                await self._driver.copy_out(volume.id, str(path), written)
                await image_data.fill_from_path(self._parts, image_id, str(path), written, self._fence)
            except (Invalid, OverQuota) as refusal:
                raise DriverError(refusal.message, again=False) from refusal
            except Conflict as refusal:
                _logger.info("Image %s waits for no volume any more: %s", image_id, refusal.message)
            finally:
                path.unlink(missing_ok=True)

    async def _check_room(self, volume: Volume, format: ImageFormat, folder: Path) -> None:
        """What is only holes takes no room in a copy, and all of it in an image that is raw."""
        seen = (await self._driver.observe()).get(volume.id)
        if seen is None:
            return
        needs = seen.used_bytes + (seen.size_bytes if format == "raw" else seen.used_bytes)
        there = os.statvfs(folder)
        if there.f_frsize * there.f_bavail < needs + _LEFT_FREE:
            raise DriverError(
                f"The image could not be made: it needs {-(-needs // (1 << 30))} GiB for a while, and the disk that "
                "keeps the images has less. Ask the operator for room, or make it in the format qcow2.",
                again=False,
            )
