"""The images in podman's store: a cache of what the containers here are made from."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman.archives import Archive, read_archive
from trivet.drivers.podman.engine import Engine, EngineRefused
from trivet.drivers.podman.growth import Growth

MOST_GIB = 64
LOADS_WITHIN_S = 900.0
log = logging.getLogger(__name__)


class Images:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def from_archive(self, path: str, most_gib: int = 0) -> AsyncIterator[str]:
        """The id of the archive's image, which stays in the store at least as long as the context.

        What no container uses is dropped when another image comes in, so the store follows what runs
        here, while deleting a container and making it again needs no loading. `most_gib`: what it may unpack to;
        0 is for what a sane image never has.
        """
        archive = await asyncio.to_thread(read_archive, path)
        async with self._changing:
            if not await self._has(archive.image_id):
                await self._engine.run("image", "prune", "--all", "--force")
                await self._load_within(archive, most_gib or MOST_GIB)
            yield archive.image_id

    async def save(self, name: str, path: Path, base: int | None) -> None:
        """An archive of the container as it is now, with its own numbers for users and groups."""
        raw = path.with_name(path.name + ".raw")
        try:
            async with self._changing:
                image_id = (await self._engine.run("commit", "--quiet", "--pause=true", name)).strip()
                try:
                    await self._engine.run("save", "--quiet", "--format=oci-archive", f"--output={raw}", image_id)
                finally:
                    # What it was made on is the container's, and nameless like itself if that came from another host.
                    await self._engine.run("image", "rm", "--no-prune", image_id)
            if base is None:
                raw.replace(path)
            else:
                await _shift(raw, path, base)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            raw.unlink(missing_ok=True)

    async def _load_within(self, archive: Archive, most_gib: int) -> None:
        """A layer of a few megabytes may unpack to terabytes, so what comes out is measured while it comes."""
        growth = Growth(self._engine.directory)
        size = await asyncio.to_thread(growth.look)
        # The archive's layers are laid out twice before they are unpacked.
        most = size + (most_gib << 30) + 2 * (await asyncio.to_thread(Path(archive.path).stat)).st_size
        loading = asyncio.ensure_future(self._load(f"{archive.transport}:{archive.path}", archive.image_id))
        try:
            async with asyncio.timeout(LOADS_WITHIN_S):
                while not (await asyncio.wait({loading}, timeout=growth.pause_s))[0]:
                    if await asyncio.to_thread(growth.look) > most:
                        raise DriverError(
                            f"The image unpacks to more than {most_gib} GiB, which is more than its server may have.",
                            again=False,
                        )
        except TimeoutError as e:
            raise DriverError(f"The image did not unpack within {LOADS_WITHIN_S:g} s.", again=False) from e
        finally:
            if not loading.done():
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)
                await self._engine.clean()
        await loading

    async def _has(self, image_id: str) -> bool:
        try:
            await self._engine.run("image", "exists", image_id)
        except EngineRefused:
            return False
        return True

    async def _load(self, source: str, image_id: str) -> None:
        try:
            loaded = (await self._engine.run("pull", "--quiet", source)).strip()
        except EngineRefused as e:
            log.warning("podman would not load an image: %s", e)
            if "no space left" in str(e):
                raise DriverError("The host has no room for the image.", again=True) from e
            raise DriverError(
                "The image's content does not fit its description: a layer is missing, damaged or of an "
                "unknown kind. Upload it again.",
                again=False,
            ) from e
        if not loaded.endswith(image_id):
            raise DriverError("The image holds something other than its manifest says.", again=False)


async def _shift(raw: Path, path: Path, base: int) -> None:
    ended = await programs.run((sys.executable, "-m", "trivet.drivers.podman.shifting", str(raw), str(path), str(base)))
    if ended.code != 0:
        raise EngineRefused(f"shifting ended with {ended.code}: {ended.err[-1000:].decode(errors='replace')}")
