"""Disk images: base images that machines share, the overlay that each machine writes to, and copies.

An image comes from a tenant, so nothing opens it before its header was read here: a qcow2 file may name
other files of the host as its backing or data file, and QEMU would open them. What QEMU's tools then make of it costs
no more than `_BOUNDS` says. A base image is a hard link: it lives on when the image is deleted, and costs nothing
until then.
"""

import asyncio
import hashlib
import os
import shutil
import struct
from pathlib import Path

import msgspec

from trivet.drivers import durable, programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk
from trivet.drivers.programs import Bounds
from trivet.drivers.qemu.complaints import refusal

GIB = 1 << 30
_EXTERNAL_DATA = 1 << 2
_HEADER = struct.Struct(">4sIQIIQI")
"""magic, version, backing offset and length, cluster bits, size, encryption."""
_BOUNDS = Bounds(seconds=120.0, output_bytes=64 * 1024, memory_bytes=GIB, cpu_s=30, gentle=True)
"""For a look at what a tenant gave us. A sound image of many TiB needs a tenth of this."""
_LEAKS = 3
"""qemu-img check found only room that nobody uses, which does no harm."""
_COPYING = Bounds(seconds=3600.0, output_bytes=64 * 1024, memory_bytes=GIB, gentle=True)


class Info(msgspec.Struct, frozen=True, rename={"virtual_size": "virtual-size"}):
    format: str
    virtual_size: int


def check_header(path: Path, format: str) -> None:
    """Refuse what could reach out of the image. A raw image has no header and can name nothing."""
    if format == "raw":
        return
    if format != "qcow2":
        raise DriverError(f"A VM needs a qcow2 or raw image, and this one is {format}.", again=False)
    with path.open("rb") as file:
        head = file.read(104)
    if len(head) < 72:
        raise DriverError("The image is not in qcow2 format.", again=False)
    magic, version, backing, _, _, _, encryption = _HEADER.unpack_from(head)
    if magic != b"QFI\xfb" or version not in (2, 3):
        raise DriverError("The image is not in qcow2 format.", again=False)
    if backing:
        raise DriverError("The image has a backing file; flatten it first (qemu-img convert).", again=False)
    if version == 3 and int.from_bytes(head[72:80], "big") & _EXTERNAL_DATA:
        raise DriverError("The image keeps its data in another file; flatten it first.", again=False)
    if encryption:
        raise DriverError("The image is encrypted.", again=False)


def base_name(disk: Disk) -> str:
    """The same file, unchanged, has the same name."""
    try:
        found = Path(disk.path).stat()
    except FileNotFoundError:
        raise DriverError("The image is not on the host.", again=True) from None
    told = f"{disk.path}:{found.st_size}:{found.st_mtime_ns}:{disk.format}"
    return f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.{disk.format}"


async def check(disk: Disk) -> None:
    """Refuse what is damaged or could reach out of the image. `qemu-img check` has a line for every wrong refcount of
    a damaged one, so who says much says no, too."""
    check_header(Path(disk.path), disk.format)
    if disk.format != "qcow2":
        return
    ended = await _run(_BOUNDS, "check", "-q", "--image-opts", _opened(disk.path, "qcow2"))
    if ended is None or ended.code not in (0, _LEAKS):
        raise DriverError("The image is damaged.", again=False)


async def make_base(disk: Disk, base: Path) -> None:
    """Of an image that was checked: its bytes never change."""
    if base.exists():
        return
    source = Path(disk.path)
    part = base.with_name(base.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        # Another file system, or one without hard links.
        await asyncio.to_thread(_copy, source, part)
    durable.move(part, base)


def _copy(source: Path, part: Path) -> None:
    with source.open("rb") as read, part.open("wb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        durable.sync(written)


async def make_root(disk: Disk, base: Path, root: Path) -> None:
    size = (await info(base, disk.format)).virtual_size
    wanted = disk.size_gib * GIB
    if wanted and wanted < size:
        needs = -(-size // GIB)
        raise DriverError(f"The image needs a disk of {needs} GiB, and the flavor has {disk.size_gib}.", again=False)
    backing = os.path.relpath(base, root.parent)
    root.unlink(missing_ok=True)
    words = ("create", "-q", "-f", "qcow2", "-F", disk.format, "-b", backing, str(root), str(max(size, wanted)))
    await _img("Its disk could not be made.", *words)


async def info(path: Path, format: str) -> Info:
    words = ("info", "--output=json", "-U", "--image-opts", _opened(path, format))
    return msgspec.json.decode(await _img("The image cannot be read.", *words, bounds=_BOUNDS), type=Info)


async def grow(root: Path, size_gib: int) -> None:
    """A disk never shrinks: what the guest keeps at its end would be gone."""
    if size_gib * GIB > (await info(root, "qcow2")).virtual_size:
        size = str(size_gib * GIB)
        await _img("Its disk could not grow.", "resize", "-q", "--image-opts", _opened(root, "qcow2"), size)


async def make_empty(path: Path, size: int) -> None:
    await _img("The snapshot could not be made.", "create", "-q", "-f", "qcow2", str(path), str(size))


async def flatten(root: Path, path: Path) -> None:
    """A complete copy of a disk that nobody writes to."""
    words = ("convert", "--image-opts", "-O", "qcow2", _opened(root, "qcow2"), str(path))
    await _img("The snapshot could not be made.", *words, bounds=_COPYING)


async def pack(raw: Path, path: Path) -> None:
    """A complete copy of a raw disk that nobody writes to."""
    words = ("convert", "--image-opts", "-O", "qcow2", _opened(raw, "raw"), str(path))
    await _img("The disk could not be copied.", *words, bounds=_COPYING)


async def unpack(path: Path, raw: Path) -> None:
    """The other way, of an image that was checked."""
    words = ("convert", "--image-opts", "-O", "raw", _opened(path, "qcow2"), str(raw))
    await _img("The disk could not be copied.", *words, bounds=_COPYING)


def _opened(path: Path | str, format: str) -> str:
    """A file and nothing else, whatever its name looks like to QEMU (json:, nbd:). A comma is written twice."""
    name = str(path).replace(",", ",,")
    return f"driver={format},file.driver=file,file.filename={name}"


async def _img(what_failed: str, *words: str, bounds: Bounds = _BOUNDS) -> bytes:
    ended = await _run(bounds, *words)
    if ended is None:
        raise DriverError(f"{what_failed} It took too long.", again=True)
    if ended.code:
        raise refusal(what_failed, ended.err.decode(errors="replace"))
    return ended.out


async def _run(bounds: Bounds, *words: str) -> programs.Ended | None:
    """None: it cost more than it may."""
    try:
        return await programs.run(("qemu-img", *words), bounds=bounds)
    except programs.Exceeded:
        return None
    except FileNotFoundError as error:
        raise DriverError("This host has no qemu-img any more.", again=True) from error
