"""Copies of disks: shared blocks where the file system can, else byte for byte, holes staying holes."""

import asyncio
import fcntl
import os
from pathlib import Path

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import ImageFormat, Key
from trivet.drivers.programs import Bounds
from trivet.drivers.qemu import images, processes
from trivet.drivers.qemu.complaints import refusal
from trivet.drivers.qemu.copy_job import copy_node
from trivet.drivers.qsd import sealed
from trivet.drivers.qsd.layout import GIB, Layout

_FICLONE = 0x40049409
_LONG_S = 3500.0
_OURS = Bounds(seconds=_LONG_S, gentle=True)
_TENANTS = Bounds(seconds=_LONG_S, memory_bytes=2 * GIB, cpu_s=3000, gentle=True)
"""For programs that read what a tenant gave us."""


async def of_file(source: Path, target: Path, what_failed: str) -> None:
    """Of a file that nobody writes to."""
    if not _clone(source, target):
        await _run(("cp", "--reflink=auto", "--sparse=always", "--", str(source), str(target)), what_failed)


async def of_volume(layout: Layout, target: Path, what_failed: str) -> None:
    """As it is now, whoever uses it. Its turn is the caller's."""
    if not processes.alive(layout):
        await of_file(layout.disk, target, what_failed)
        return
    if _clone(layout.disk, target):
        return
    make_empty(target, layout.disk.stat().st_size)
    await copy_node(layout.qmp, "disk", target, "raw", what_failed)


async def out_of(layout: Layout, target: Path, format: ImageFormat) -> None:
    what_failed = "The image could not be made."
    if format == "raw":
        await of_volume(layout, target, what_failed)
    elif processes.alive(layout):
        await images.make_empty(target, layout.disk.stat().st_size)
        await copy_node(layout.qmp, "disk", target, "qcow2", what_failed)
    else:
        words = ("convert", "-f", "raw", "-O", "qcow2", str(layout.disk), str(target))
        await _run(("qemu-img", *words), what_failed)


async def of_image(path: Path, format: ImageFormat, size_gib: int, target: Path, key: Key | None = None) -> None:
    """An image comes from a tenant: it is looked at before anything opens it, and read with bounded means."""
    what_failed = "The volume could not be made from the image."
    if not path.exists():
        raise DriverError(f"{what_failed} The image is not on the host.", again=True)
    images.check_header(path, format)
    size = (await images.info(path, format)).virtual_size
    if size > size_gib * GIB:
        raise DriverError(f"{what_failed} It needs {-(-size // GIB)} GiB.", again=False)
    if key is not None:
        await sealed.of_image(path, format, target, key, _TENANTS)
    elif format == "raw":
        await of_file(path, target, what_failed)
    else:
        words = ("qemu-img", "convert", "-f", format, "-O", "raw", str(path), str(target))
        await _run(words, what_failed, _TENANTS)


async def make_sealed(path: Path, size: int, key: Key) -> None:
    await sealed.make_empty(path, size, key, _OURS)
    path.chmod(0o600)


def make_empty(path: Path, size: int) -> None:
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate(size)


async def settle(path: Path) -> None:
    """Its bytes are on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        await asyncio.to_thread(os.fsync, fd)
    finally:
        os.close(fd)


def _clone(source: Path, target: Path) -> bool:
    """At once and at one moment, where the file system shares blocks between files."""
    with source.open("rb") as origin, target.open("wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, origin.fileno())
        except OSError:
            return False
    return True


async def _run(words: tuple[str, ...], what_failed: str, bounds: Bounds = _OURS) -> None:
    ended = await programs.run(words, bounds=bounds)
    if ended.code:
        raise refusal(what_failed, ended.err.decode(errors="replace"))
