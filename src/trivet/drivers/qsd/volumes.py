"""The driver: the verbs of a volume, each told by what is in its folder and by its daemon.

Nothing is remembered here but locks; another process of ours that opens the same directory knows as much. Verbs on
one volume take turns; looking never waits for them.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec

from trivet.drivers import durable
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import (
    Connection,
    FromImage,
    FromSnapshot,
    FromVolume,
    ImageFormat,
    Key,
    Piece,
    Room,
    SeenVolume,
    Serving,
    VolumeSpec,
)
from trivet.drivers.qemu import processes
from trivet.drivers.qemu.complaints import refusal
from trivet.drivers.qemu.layout import drop_short, make_short, short_directory
from trivet.drivers.qemu.turns import Absent, Turns
from trivet.drivers.qsd import copies, daemon, pieces, sealed
from trivet.drivers.qsd.layout import GIB, Layout, is_id

_SNAPSHOTS = "_snapshots"
_SECTOR = 512
_NOT_RESTORED = "The volume could not be restored."
_RAW, _LUKS = ".raw", ".luks"
_PROGRAMS = {"qemu-storage-daemon": "qemu-system-common", "qemu-img": "qemu-utils", "cp": "coreutils"}
"""Program -> the Debian package that has it."""


def missing() -> list[str]:
    return [f"{name} (Debian package {package})" for name, package in _PROGRAMS.items() if shutil.which(name) is None]


class QsdVolumes:
    """VolumeDriver, Snapshots, Refilling, CopyingOut, Pieces and Encrypting."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._short = short_directory(self._directory)
        self._snapshots = self._directory / _SNAPSHOTS
        self._turns = Turns("volume")
        self._exits = processes.Exits()
        with _trouble("The folder of the volumes cannot be used."):
            self._snapshots.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def observe(self) -> dict[str, SeenVolume]:
        with _trouble("The host's volumes cannot be read."):
            return {id: self._look(id) for id in self._ids()}

    def _look(self, id: str) -> SeenVolume:
        layout = self._layout(id)
        found = layout.disk.stat() if layout.disk.exists() else None
        size, used = (found.st_size - _header(layout.disk), found.st_blocks * _SECTOR) if found is not None else (0, 0)
        self._exits.follow(id, layout)
        return SeenVolume(id, size, used, served=not layout.read_serving().exports or processes.alive(layout))

    async def create(self, spec: VolumeSpec) -> None:
        if not is_id(spec.id):
            raise DriverError("A volume's id is a UUID.", again=False)
        what_failed = "The volume could not be made."
        with _trouble(what_failed):
            self._layout(spec.id).folder.mkdir(mode=0o700, exist_ok=True)
        async with self._turn(spec.id, what_failed) as layout:
            if layout.disk.exists():
                return
            try:
                await self._fill(spec, layout.part)
                await copies.settle(layout.part)
                durable.move(layout.part, layout.raw if spec.key is None else layout.luks)
            except BaseException:
                layout.part.unlink(missing_ok=True)
                raise

    async def _fill(self, spec: VolumeSpec, target: Path) -> None:
        """As large as it is to be."""
        what_failed = "The volume could not be made."
        match spec.source:
            case None if spec.key is not None:
                await copies.make_sealed(target, spec.size_gib * GIB, spec.key)
            case None:
                copies.make_empty(target, 0)
            case FromImage(path=path, format=format):
                await copies.of_image(Path(path), format, spec.size_gib, target, spec.key)
            case FromSnapshot(id=id):
                kept = self._need_snapshot(id)
                _check_alike(spec, kept)
                await copies.of_file(kept, target, what_failed)
            case FromVolume(id=id):
                async with self._turn(id, what_failed) as source:
                    _check_alike(spec, _whole(source).disk)
                    await copies.of_volume(source, target, what_failed)
        header = sealed.header_bytes(target) if spec.key is not None else 0
        os.truncate(target, header + spec.size_gib * GIB)

    async def remove(self, id: str) -> None:
        with suppress(Absent):
            async with self._turn(id, "The volume could not be removed.") as layout:
                await processes.kill(layout)
                # From here on it is half-made, whatever happens.
                await asyncio.to_thread(layout.disk.unlink, missing_ok=True)
                await asyncio.to_thread(shutil.rmtree, layout.folder)
                if not self._ids():
                    drop_short(self._short, self._directory)

    async def serve(self, id: str, wanted: Serving, key: Key | None = None) -> dict[str, Connection]:
        async with self._turn(id, "The volume cannot be reached.") as layout:
            _whole(layout)
            # Before anybody is let in: who finds the daemon dead must know whom it let in.
            layout.write_serving(wanted)
            make_short(self._short, self._directory)
            ways = await daemon.serve(layout, wanted, key)
            self._exits.follow(id, layout)
            return ways

    async def grow(self, id: str, size_gib: int) -> None:
        async with self._turn(id, "The volume could not grow.") as layout:
            header = _header(_whole(layout).disk)
            if layout.disk.stat().st_size >= header + size_gib * GIB:
                return
            if processes.alive(layout):
                await daemon.grow(layout, size_gib)
            else:
                os.truncate(layout.disk, header + size_gib * GIB)
            await copies.settle(layout.disk)

    async def room(self) -> Room:
        with _trouble("The room for volumes cannot be read."):
            found = os.statvfs(self._directory)
            return Room(found.f_frsize * found.f_blocks >> 30, found.f_frsize * found.f_bavail >> 30)

    async def watch(self) -> AsyncIterator[str]:
        while True:
            yield await self._exits.next()

    # -- Snapshots

    async def snapshot(self, volume_id: str, id: str) -> None:
        what_failed = "The snapshot could not be made."
        async with self._turn(volume_id, what_failed) as layout:
            path = self._snapshot(id, _whole(layout).disk.suffix)
            await self._keep(lambda part: copies.of_volume(layout, part, what_failed), path)

    async def remove_snapshot(self, id: str) -> None:
        with _trouble("The snapshot could not be removed."):
            whole = (self._snapshot(id, _RAW), self._snapshot(id, _LUKS))
            for path in (*whole, _part_of(whole[0])):
                await asyncio.to_thread(path.unlink, missing_ok=True)

    async def snapshots(self) -> set[str]:
        with _trouble("The host's snapshots cannot be read."):
            return {path.stem for path in self._snapshots.iterdir() if path.suffix in (_RAW, _LUKS)}

    async def revert(self, volume_id: str, id: str) -> None:
        what_failed = "The volume could not be taken back to the snapshot."
        async with self._turn(volume_id, what_failed) as layout:
            if layout.read_serving().exports:
                raise DriverError(f"{what_failed} Somebody uses it.", again=True)
            size = _whole(layout).disk.stat().st_size
            source = self._need_snapshot(id)

            async def fill(part: Path) -> None:
                await copies.of_file(source, part, what_failed)
                os.truncate(part, max(size, part.stat().st_size))

            await self._keep(fill, layout.disk)

    # -- Refilling

    async def refill(self, spec: VolumeSpec) -> None:
        what_failed = "The volume could not be made anew."
        async with self._turn(spec.id, what_failed) as layout:
            if _whole(layout).read_serving().exports:
                raise DriverError(f"{what_failed} Somebody uses it.", again=True)

            if layout.encrypted != (spec.key is not None):
                raise DriverError(f"{what_failed} It is encrypted, or it is not.", again=False)
            await self._keep(lambda part: self._fill(spec, part), layout.disk)

    # -- CopyingOut

    async def copy_out(self, volume_id: str, path: str, format: ImageFormat) -> None:
        target = Path(path)
        async with self._turn(volume_id, "The image could not be made.") as layout:
            try:
                await copies.out_of(_whole(layout), target, format)
            except BaseException:
                target.unlink(missing_ok=True)
                raise

    # -- Pieces

    async def next_piece(self, id: str, offset: int, length: int) -> Piece | None:
        with _trouble("The snapshot cannot be read."):
            return await asyncio.to_thread(pieces.following, self._need_snapshot(id), offset, length)

    async def begin_pieces(self, id: str, size_gib: int) -> None:
        async with self._turn(id, _NOT_RESTORED) as layout:
            copies.make_empty(_whole(layout).part, size_gib * GIB)

    async def put_piece(self, id: str, offset: int, data: bytes) -> None:
        async with self._turn(id, _NOT_RESTORED) as layout:
            await asyncio.to_thread(pieces.put, _whole(layout).part, offset, data)

    async def end_pieces(self, id: str) -> None:
        async with self._turn(id, _NOT_RESTORED) as layout:
            if _whole(layout).read_serving().exports:
                raise DriverError(f"{_NOT_RESTORED} Somebody uses it.", again=True)
            await copies.settle(layout.part)
            durable.move(layout.part, layout.disk)

    # -- Encrypting

    def encrypts(self) -> bool:
        return True

    # -- the end of the process

    async def halt(self) -> None:
        """No daemon stays. What is to be served is served again after the next start."""
        for id in self._ids():
            await processes.kill(self._layout(id))

    # -- parts of verbs

    async def _keep(self, fill: Callable[[Path], Awaitable[None]], path: Path) -> None:
        """All of it under its name, or nothing."""
        part = _part_of(path)
        try:
            await fill(part)
            await copies.settle(part)
            durable.move(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _snapshot(self, id: str, suffix: str) -> Path:
        if not is_id(id):
            raise DriverError("A snapshot's id is a UUID.", again=False)
        return self._snapshots / f"{id}{suffix}"

    def _need_snapshot(self, id: str) -> Path:
        found = next((path for path in map(self._snapshot, (id, id), (_RAW, _LUKS)) if path.exists()), None)
        if found is None:
            raise DriverError("The snapshot is not there.", again=False)
        return found

    def _ids(self) -> list[str]:
        return [path.name for path in self._directory.iterdir() if is_id(path.name)]

    def _layout(self, id: str) -> Layout:
        return Layout(self._directory / id, self._short / id)

    @asynccontextmanager
    async def _turn(self, id: str, what_failed: str) -> AsyncIterator[Layout]:
        if not is_id(id):
            raise Absent("volume")
        with _trouble(what_failed):
            layout = self._layout(id)
            async with self._turns.of(layout.folder):
                yield layout


def _part_of(path: Path) -> Path:
    return path.with_suffix(".part")


def _header(path: Path) -> int:
    return sealed.header_bytes(path) if path.suffix == _LUKS else 0


def _check_alike(spec: VolumeSpec, source: Path) -> None:
    """What is sealed is copied as it is, and opened by the same key."""
    if (source.suffix == _LUKS) != (spec.key is not None):
        raise DriverError("The volume could not be made: either it or its source is encrypted, not both.", again=False)


def _whole(layout: Layout) -> Layout:
    if not layout.disk.exists():
        raise Absent("volume")
    return layout


@contextmanager
def _trouble(what_failed: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as e:
        raise DriverError(f"{what_failed} It took too long.", again=True) from e
    except (OSError, msgspec.DecodeError) as e:
        raise refusal(what_failed, str(e)) from e
