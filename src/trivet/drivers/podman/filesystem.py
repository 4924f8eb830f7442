"""The file system on a volume: made if the volume was never written to, mended, and mounted.

Not by the host's kernel: whoever had the volume in a VM wrote all of its bytes, and a kernel that mounts a crafted disk
is a kernel that is taken over. So it is ext4 by fuse2fs, in the container's own user namespace and without the host
around it (sandbox.py). That costs speed, and gives the ids on the disk their meaning in the container.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman.bridge import Place
from trivet.drivers.programs import Bounds, Ended
from trivet.drivers.qemu import processes
from trivet.drivers.qemu.complaints import refusal

_SANDBOX = str(Path(__file__).with_name("sandbox.py"))
_FAILED = "The volume's file system cannot be mounted."
_NO_FS = (
    "The volume holds something, but no ext2, ext3 or ext4 file system on the whole of it. Make one in a VM (mkfs.ext4 "
    "on the disk itself, without partitions), or attach it to the container as a device: /dev/NAME."
)
_DAMAGED = "The volume's file system is damaged beyond what e2fsck mends by itself; attach it to a VM and repair it."
_BLANK_AND_FIXED = "The volume is empty and read-only, so no file system can be made on it."
_BOUNDS = Bounds(seconds=150, memory_bytes=2 << 30, gentle=True)
_SERVED_BOUNDS = Bounds(memory_bytes=1 << 30)
_MOUNTED_S, _ENDS_S = 30.0, 60.0
_LOOK_AGAIN_S = 0.02
_MENDED, _BROKEN = 3, 4
"""e2fsck: bits of what was well in the end; what it left, and worse, from here on."""
_PIECE, _LOOKED_AT = 1 << 20, 64 << 20
_BLOCKS = re.compile(r"^Block (count|size): {1,32}([0-9]{1,18})\n", re.MULTILINE)


class Sandbox:
    """Where programs meet the disk of one attachment."""

    def __init__(self, place: Place, netns: str, base: int, device: str) -> None:
        # The container sees this as what is mounted, and we know the processes by it.
        self.disk = f"/{place.id}"
        outer = (f"/run/netns/{netns}", device, place.id, str(base), str(place.root))
        self._words = (sys.executable, "-I", "-S", _SANDBOX, *outer)
        place.root.mkdir(exist_ok=True)

    def words(self, *program: str) -> tuple[str, ...]:
        return (*self._words, *program)

    async def run(self, *program: str) -> Ended:
        return await programs.run(self.words(*program), bounds=_BOUNDS)


async def start(place: Place, sandbox: Sandbox, *, read_only: bool) -> None:
    await prepare(place, sandbox, read_only=read_only)
    options = "allow_other,default_permissions,big_writes,nosuid,nodev" + (",ro" * read_only)
    words = sandbox.words("/usr/bin/fuse2fs", "-f", "-o", options, sandbox.disk, "/fs")
    pid = await processes.begin(place.fs_complaints, words, bounds=_SERVED_BOUNDS)
    place.fs_pid.write_text(str(pid))
    await _mounted(place, pid)


async def _mounted(place: Place, pid: int) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        raise _failure(place) from None
    try:
        async with asyncio.timeout(_MOUNTED_S):
            while not _is_mounted(pid):
                if await processes.ended(fd, _LOOK_AGAIN_S):
                    raise _failure(place)
    except TimeoutError:
        raise _failure(place) from None
    finally:
        os.close(fd)


def _failure(place: Place) -> DriverError:
    return refusal(_FAILED, place.fs_complaints.read_text(errors="replace"))


async def prepare(place: Place, sandbox: Sandbox, *, read_only: bool) -> None:
    if place.making.exists() or await asyncio.to_thread(is_blank, place.disk):
        if read_only:
            raise DriverError(_BLANK_AND_FIXED, again=False)
        place.making.touch()
        await _make(sandbox)
        place.making.unlink()
    elif not read_only:
        await _mend(sandbox)
        await _fill_the_disk(place, sandbox)


async def end(place: Place) -> None:
    """In order, so that all is written; with any that a lost note left."""
    with _handle(place) as fd:
        if fd is not None:
            await _end(fd)
    for stray in await asyncio.to_thread(_strays, place):
        try:
            await _end(stray)
        finally:
            os.close(stray)
    place.fs_pid.unlink(missing_ok=True)


def alive(place: Place) -> bool:
    with _handle(place) as fd:
        return fd is not None


def pid_of(place: Place) -> int:
    return int(place.fs_pid.read_text())


def is_blank(path: Path) -> bool:
    """Never written to, as far as can be told in a short time. In doubt it is not."""
    fd = os.open(path, os.O_RDONLY)
    try:
        at = looked_at = 0
        while looked_at < _LOOKED_AT:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                # Nothing but holes from there to the end.
                return True
            piece = os.pread(fd, _PIECE, at)
            if not piece:
                return True
            if any(piece):
                return False
            at += len(piece)
            looked_at += len(piece)
        return False
    finally:
        os.close(fd)


async def _make(sandbox: Sandbox) -> None:
    features = "^metadata_csum_seed,^orphan_file"
    """Without what the kernels of older guests do not know."""
    words = (
        "/usr/sbin/mkfs.ext4",
        "-q",
        "-F",
        "-m",
        "0",
        "-E",
        "nodiscard,root_owner=0:0",
        "-O",
        features,
        sandbox.disk,
    )
    ended = await sandbox.run(*words)
    if ended.code:
        raise DriverError("No file system could be made on the volume.", again=True)


async def _mend(sandbox: Sandbox) -> None:
    """As every host does at its start. What needs more than that is what a crash in the middle of it left: nothing that
    was flushed is lost by mending it."""
    ended = await sandbox.run("/usr/sbin/e2fsck", "-p", sandbox.disk)
    if _has_none(ended):
        raise DriverError(_NO_FS, again=False)
    if ended.code & ~_MENDED:
        ended = await sandbox.run("/usr/sbin/e2fsck", "-fy", sandbox.disk)
    if ended.code & ~_MENDED:
        raise DriverError(_DAMAGED, again=ended.code < _BROKEN)


def _has_none(ended: Ended) -> bool:
    return b"Bad magic number" in ended.out + ended.err


async def _fill_the_disk(place: Place, sandbox: Sandbox) -> None:
    """The volume may have grown since."""
    told = await sandbox.run("/usr/sbin/dumpe2fs", "-h", sandbox.disk)
    found = {name: int(number) for name, number in _BLOCKS.findall(told.out.decode(errors="replace"))}
    size = place.disk.stat().st_size
    if found.keys() != {"count", "size"} or size - found["count"] * found["size"] < 1 << 20:
        return
    await sandbox.run("/usr/sbin/e2fsck", "-fp", sandbox.disk)
    ended = await sandbox.run("/usr/sbin/resize2fs", sandbox.disk)
    if ended.code:
        raise DriverError("The volume's file system could not grow with it.", again=True)


def _is_mounted(pid: int) -> bool:
    try:
        return any(line.split()[4] == "/fs" for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    except OSError:
        return False


async def _end(fd: int) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        if not await processes.ended(fd, _ENDS_S):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            await processes.ended(fd, _ENDS_S)


@contextmanager
def _handle(place: Place) -> Iterator[int | None]:
    fd = None
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int(place.fs_pid.read_text())
        fd = os.pidfd_open(pid)
        # Only now is the number sure not to go to another process before we look whose it is.
        if not _is_its(place, pid):
            os.close(fd)
            fd = None
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _strays(place: Place) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if _is_its(place, int(entry.name)):
            with suppress(ProcessLookupError):
                found.append(os.pidfd_open(int(entry.name)))
    return found


def _is_its(place: Place, pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return f"/{place.id}".encode() in words
