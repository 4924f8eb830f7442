"""Disks that are empty at first and formatted: ephemeral ones and one to swap to, raw sparse files in the machine's
folder. They are made beside their names and moved there whole, so that a half-made one is never taken for a disk.
"""

import os
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path

from trivet.drivers import durable, programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, EmptyDisk
from trivet.drivers.programs import Bounds
from trivet.drivers.qemu import images
from trivet.drivers.qemu.complaints import refusal

_MIB = 1 << 20
_BOUNDS = Bounds(seconds=120.0, output_bytes=64 * 1024, memory_bytes=1 << 30, gentle=True)
_PAGE = 4096
_SWAP_HEADER = struct.Struct("<1024x3I16s16s")
"""Room for a boot loader; version, last page, bad pages; id, label."""
_WHAT = "Its empty disks could not be made."


def path_of(folder: Path, disk: EmptyDisk) -> Path:
    return folder / f"{disk.name}.raw"


def node_of(folder: Path, disk: EmptyDisk, name: str) -> dict[str, object]:
    return {
        "driver": "raw",
        "node-name": name,
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(path_of(folder, disk)), "discard": "unmap"},
    }


async def make(folder: Path, disks: tuple[EmptyDisk, ...], filled: Mapping[str, Disk] | None = None) -> None:
    """`filled`: those that come from another host with what they hold."""
    for disk in disks:
        path = path_of(folder, disk)
        if not path.exists():
            await _make(path, disk, (filled or {}).get(disk.name))


async def change(folder: Path, before: tuple[EmptyDisk, ...], after: tuple[EmptyDisk, ...]) -> None:
    """What grows keeps what it holds; what was swapped to is nothing to keep."""
    wanted = {disk.name: disk for disk in after}
    for disk in before:
        now, path = wanted.get(disk.name), path_of(folder, disk)
        if now is None or (now.format == "swap" and now != disk):
            path.unlink(missing_ok=True)
        elif path.exists() and path.stat().st_size < now.size_mib * _MIB:
            os.truncate(path, now.size_mib * _MIB)
    await make(folder, after)


async def copy_out(folder: Path, name: str, target: Path) -> None:
    await images.pack(folder / f"{name}.raw", target)


async def _make(path: Path, disk: EmptyDisk, content: Disk | None) -> None:
    part = path.with_name(path.name + ".part")
    try:
        if content is not None:
            await images.check(content)
            await images.unpack(Path(content.path), part)
            if part.stat().st_size < disk.size_mib * _MIB:
                os.truncate(part, disk.size_mib * _MIB)
            durable.move(part, path)
            return
        with part.open("wb") as file:
            if disk.format == "swap":
                file.write(_swap(disk.size_mib))
            file.truncate(disk.size_mib * _MIB)
        if disk.format != "swap":
            await _format(part, disk)
        durable.move(part, path)
    finally:
        part.unlink(missing_ok=True)


async def _format(path: Path, disk: EmptyDisk) -> None:
    words = ("mke2fs", "-q", "-F", "-t", disk.format, "-L", disk.name, str(path))
    try:
        ended = await programs.run(words, bounds=_BOUNDS)
    except FileNotFoundError as error:
        raise DriverError(f"{_WHAT} This host has no mke2fs (Debian package e2fsprogs).", again=True) from error
    except programs.Exceeded as error:
        raise DriverError(f"{_WHAT} It took too long.", again=True) from error
    if ended.code:
        raise refusal(_WHAT, ended.err.decode(errors="replace"))


def _swap(size_mib: int) -> bytes:
    """The one page that makes a disk one to swap to."""
    last = size_mib * _MIB // _PAGE - 1
    head = _SWAP_HEADER.pack(1, last, 0, uuid.uuid4().bytes, b"swap")
    return head.ljust(_PAGE - 10, b"\0") + b"SWAPSPACE2"
