"""Images where the deploy ramdisk can fetch them: linked into the folder that is served to its network, by checksum."""

import asyncio
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk

_PIECE = 4 << 20


class Served(msgspec.Struct, frozen=True):
    url: str
    sha256: str
    format: str


class ImagePlace:
    def __init__(self, directory: Path, url: str) -> None:
        self._directory = directory
        self._url = url.rstrip("/")
        self._asked_for: Counter[str] = Counter()
        """Of whoever is about to give the order to fetch one."""
        self._unneeded: frozenset[str] = frozenset()
        """At the last look."""

    @asynccontextmanager
    async def serving(self, disk: Disk) -> AsyncIterator[Served]:
        """Until the order is given; from then on the machine's own record says what it fetches."""
        served = await self._serve(disk)
        self._asked_for[served.sha256] += 1
        try:
            yield served
        finally:
            self._asked_for[served.sha256] -= 1

    async def forget(self, needed: Collection[str]) -> None:
        """Those whose URLs are not among `needed`, and were not at the last look: a look is old when it ends."""
        known = await asyncio.to_thread(self._names)
        unneeded = frozenset(
            name for name in known if f"{self._url}/{name}" not in needed and not self._asked_for[name]
        )
        for name in unneeded & self._unneeded:
            await asyncio.to_thread((self._directory / name).unlink, missing_ok=True)
        self._unneeded = unneeded - self._unneeded

    def _names(self) -> list[str]:
        return [path.name for path in self._directory.glob("*") if not path.suffix] if self._directory.exists() else []

    async def _serve(self, disk: Disk) -> Served:
        """Again is the same as once: what is there is not copied twice."""
        if disk.format == "oci":
            raise DriverError("An image for containers boots no machine.", again=False)
        try:
            sha256 = await asyncio.to_thread(self._link, Path(disk.path))
        except OSError as error:
            raise DriverError(f"The image cannot be served to the machine: {error.strerror}.", again=True) from error
        return Served(f"{self._url}/{sha256}", sha256, disk.format)

    def _link(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        target = self._directory / digest.hexdigest()
        if not target.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            half = target.with_suffix(".half")
            half.unlink(missing_ok=True)
            try:
                os.link(path, half)
            except OSError:
                shutil.copyfile(path, half)
            half.rename(target)
        return digest.hexdigest()
