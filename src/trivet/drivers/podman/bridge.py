"""A volume as a block device of the host: what a container needs of it, since it has no QEMU that could reach it.

A qemu-storage-daemon of its own for each attachment speaks NBD with the volume, waits when that goes away for a while,
and shows it as one file by FUSE; a loop device makes that a block device. The loop is never direct: on such a file that
corrupts data. What was flushed has gone all the way.
"""

import asyncio
import shutil
from pathlib import Path

import msgspec

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import VolumeDisk
from trivet.drivers.qemu import processes
from trivet.drivers.qemu.complaints import refusal
from trivet.drivers.qemu.qmp import ExecuteError, Talk, talk

RECONNECT_S = 60
_OPEN_S = 10
_GROWS_S = 30.0
_LOOK_AGAIN_S = 0.05
_LOOPS = Path("/sys/block")
_MOUNTS = Path("/proc/self/mountinfo")
_NODES = Path("/dev/trivet")
_FAILED = "The volume cannot be reached."


class Place:
    """What the host keeps of one attachment."""

    def __init__(self, folder: Path, short: Path) -> None:
        self.id = folder.name
        self.folder = folder
        self.machine = folder / "machine"
        """Whose it is."""
        self.whole = folder / "whole"
        """There once the container has it."""
        self.disk = folder / "disk"
        self.pid = folder / "pid"
        self.complaints = folder / "bridge.log"
        self.qmp = short / "qmp"
        self.root = folder / "root"
        self.fs_pid = folder / "fs.pid"
        self.fs_complaints = folder / "fs.log"
        self.making = folder / "making"
        """There while a file system is being made: what an interrupted try left is ours to write over."""
        self.node = _NODES / folder.name


async def build(place: Place, volume: VolumeDisk) -> str:
    """The name of the block device."""
    place.disk.touch(mode=0o600)
    await processes.launch(place, _arguments(place, volume), program=("qemu-storage-daemon",), what_failed=_FAILED)
    words = ("losetup", "--find", "--show", *(["--read-only"] if volume.read_only else []), str(place.disk))
    return (await _run(words, _FAILED)).strip()


async def end(place: Place) -> None:
    """Nothing of it runs any more; whatever an interrupted try left, too."""
    for device in loops(place):
        await _run(("losetup", "--detach", device), "The volume could not be let go.")
    place.node.unlink(missing_ok=True)
    await processes.kill(place)
    if any(line.split()[4] == str(place.disk) for line in _MOUNTS.read_text().splitlines()):
        await _run(("umount", "--lazy", str(place.disk)), "The volume could not be let go.")


async def forget(place: Place) -> None:
    await asyncio.to_thread(shutil.rmtree, place.folder, ignore_errors=True)


def loops(place: Place) -> list[str]:
    found = []
    for file in _LOOPS.glob("loop*/loop/backing_file"):
        try:
            backing = file.read_text().rstrip("\n")
        except OSError:
            # It was let go as we looked.
            continue
        if backing.removesuffix(" (deleted)") == str(place.disk):
            found.append(f"/dev/{file.parts[-3]}")
    return found


def alive(place: Place) -> bool:
    return processes.alive(place)


async def grow(place: Place, size_gib: int) -> None:
    """The volume is that large already. An idle connection comes back, and hears of it, only when somebody reads."""
    what_failed = "The container could not be told that the volume has grown."
    async with talk(place.qmp, what_failed) as daemon:
        try:
            async with asyncio.timeout(_GROWS_S):
                while not await _resized(daemon, size_gib << 30):
                    await asyncio.to_thread(_read_a_little, place.disk)
                    await asyncio.sleep(_LOOK_AGAIN_S)
                # The kernel remembers for a second how large a file of FUSE is.
                while place.disk.stat().st_size < size_gib << 30:
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise DriverError("The volume that the container uses has not grown yet.", again=True) from None
    for device in loops(place):
        await _run(("losetup", "--set-capacity", device), what_failed)


def _read_a_little(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        file.read(512)


async def _resized(daemon: Talk, size: int) -> bool:
    try:
        await daemon.ask("block_resize", {"node-name": "volume", "size": size})
    except ExecuteError as e:
        if "grow" not in str(e):
            raise
        return False
    return True


def _arguments(place: Place, volume: VolumeDisk) -> list[str]:
    node = {
        "driver": "nbd",
        "node-name": "volume",
        "server": {"type": "unix", "path": volume.connection.path},
        "export": volume.connection.export,
        "reconnect-delay": RECONNECT_S,
        "open-timeout": _OPEN_S,
        "read-only": volume.read_only,
    }
    export = {
        "type": "fuse",
        "id": "disk",
        "node-name": "volume",
        "mountpoint": str(place.disk),
        "writable": not volume.read_only,
    }
    return [
        *("--pidfile", str(place.pid)),
        *("--blockdev", msgspec.json.encode(node).decode()),
        *("--export", msgspec.json.encode(export).decode()),
        # Last, so that who is answered here can be sure of all else.
        *("--chardev", f"socket,id=qmp,path={str(place.qmp).replace(',', ',,')},server=on,wait=off"),
        *("--monitor", "chardev=qmp"),
    ]


async def _run(words: tuple[str, ...], what_failed: str) -> str:
    ended = await programs.run(words)
    if ended.code:
        raise refusal(what_failed, ended.err.decode(errors="replace"))
    return ended.out.decode()
