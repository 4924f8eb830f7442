"""Disk images: base images that machines share, the overlay that each machine writes to, and copies.

An image comes from a tenant, so nothing opens it before its header was read here: a qcow2 file may name
other files of the host as its backing or data file, and QEMU would open them. A base image is a hard
link: it lives on when the image is deleted, and costs nothing until then.
"""

import asyncio
import hashlib
import os
import shutil
import struct
from pathlib import Path

import msgspec

from trivet.drivers import durable
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk
from trivet.drivers.qemu.complaints import refusal

GIB = 1 << 30
_EXTERNAL_DATA = 1 << 2
_HEADER = struct.Struct(">4sIQIIQI")
"""magic, version, backing offset and length, cluster bits, size, encryption."""
_LIMITS = ("prlimit", f"--as={2 * GIB}", "--cpu=120")
"""For programs that read what a tenant gave us."""


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


async def make_base(disk: Disk, base: Path) -> None:
    if base.exists():
        return
    source = Path(disk.path)
    check_header(source, disk.format)
    if disk.format == "qcow2":
        await _img("The image is damaged.", "check", "-q", "-f", "qcow2", str(source), limits=_LIMITS, damaged=True)
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
    words = ("info", "--output=json", "-U", "-f", format, str(path))
    told = await _img("The image cannot be read.", *words, limits=_LIMITS)
    return msgspec.json.decode(told, type=Info)


async def grow(root: Path, size_gib: int) -> None:
    """A disk never shrinks: what the guest keeps at its end would be gone."""
    if size_gib * GIB > (await info(root, "qcow2")).virtual_size:
        await _img("Its disk could not grow.", "resize", "-q", "-f", "qcow2", str(root), str(size_gib * GIB))


async def make_empty(path: Path, size: int) -> None:
    await _img("The snapshot could not be made.", "create", "-q", "-f", "qcow2", str(path), str(size))


async def flatten(root: Path, path: Path) -> None:
    """A complete copy of a disk that nobody writes to."""
    await _img("The snapshot could not be made.", "convert", "-f", "qcow2", "-O", "qcow2", str(root), str(path))


async def _img(what_failed: str, *words: str, limits: tuple[str, ...] = (), damaged: bool = False) -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *limits, "qemu-img", *words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        told, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        if damaged:
            raise DriverError(what_failed, again=False)
        raise refusal(what_failed, complaint.decode(errors="replace"))
    return told
