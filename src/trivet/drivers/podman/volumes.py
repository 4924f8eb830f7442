"""Volumes of containers: each is bridged to the host, its file system is mounted or its device made, and that is put
into the container, whether it runs or is about to.

What is kept of an attachment lies in a folder of its own, so that it is found again whatever dies; the file `whole`
says that the container has it. All is done again from its start when any of it has died.
"""

import asyncio
import os
import shutil
import stat
import sys
from pathlib import Path

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, VolumeDisk
from trivet.drivers.podman import bridge, filesystem
from trivet.drivers.podman.bridge import Place
from trivet.drivers.podman.filesystem import Sandbox
from trivet.drivers.podman.insertion import IN_USE, OCCUPIED
from trivet.drivers.podman.shelters import Shelters
from trivet.drivers.qemu.layout import make_short, short_directory

_INSERTION = str(Path(__file__).with_name("insertion.py"))
_DEVICES = "/dev/"
_PROGRAMS = {
    "qemu-storage-daemon": "qemu-system-common",
    "losetup": "mount",
    "fuse2fs": "fuse2fs",
    "mkfs.ext4": "e2fsprogs",
}
"""Program -> the Debian package that has it."""


class Volumes:
    def __init__(self, directory: Path, shelters: Shelters) -> None:
        self._directory = directory
        self._short = short_directory(directory)
        self._shelters = shelters

    async def plug(self, spec: MachineSpec, volume: VolumeDisk, pid: int | None) -> None:
        """`pid`: of the container's first process, if there is one."""
        place = self._place(volume.id)
        if not (self._lives(place, volume) and await self._is_sheltered(place, spec, volume)):
            await self._take(place, volume.at, pid, lazily=True)
            await self._end(place)
            await self._bring(place, spec, volume)
        if pid is not None and not _has(pid, place):
            await self._put(place, volume, pid)
        place.whole.touch()

    async def unplug(self, volume_id: str, at: str, pid: int | None) -> None:
        place = self._place(volume_id)
        await self._take(place, at, pid, lazily=False)
        await self._end(place)
        await bridge.forget(place)

    async def grow(self, spec: MachineSpec, volume: VolumeDisk, pid: int | None) -> None:
        """A device at once. A file system where nobody uses it, or else when the container starts again."""
        place = self._place(volume.id)
        if not self._lives(place, volume):
            return
        await bridge.grow(place, volume.size_gib)
        if _is_device(volume):
            return
        try:
            await self._take(place, volume.at, pid, lazily=False)
        except DriverError:
            return
        await self._end(place)
        await self.plug(spec, volume, pid)

    async def rest(self, spec: MachineSpec) -> None:
        """The container has stopped: nothing runs for it, and all that it wrote is on its volumes."""
        for volume in spec.volumes:
            await self._end(self._place(volume.id))

    async def forget(self, machine_id: str) -> None:
        """All that there is of a container's, noted with it or not."""
        for folder in sorted(self._directory.iterdir()) if self._directory.exists() else ():
            place = self._place(folder.name)
            if _read(place.machine) in (machine_id, ""):
                await self._end(place)
                await bridge.forget(place)

    def mark(self, spec: MachineSpec, *, running: bool) -> str:
        """The mark `volumes`. 0 is the size of what is not to be had as it is: half put in, or dead."""
        sizes = {volume.id: volume.size_gib if self._well(volume, running) else 0 for volume in spec.volumes}
        return ",".join(f"{id}={size}" for id, size in sizes.items())

    # -- parts of verbs

    def _well(self, volume: VolumeDisk, running: bool) -> bool:
        place = self._place(volume.id)
        return place.whole.exists() and (not running or self._lives(place, volume))

    def _lives(self, place: Place, volume: VolumeDisk) -> bool:
        return bridge.alive(place) and (place.node.exists() if _is_device(volume) else filesystem.alive(place))

    async def _is_sheltered(self, place: Place, spec: MachineSpec, volume: VolumeDisk) -> bool:
        """In the user namespace that the container has now; in another one it could not use the file system."""
        if _is_device(volume):
            return True
        owner = await self._shelters.owner(spec.id)
        return Path(f"/proc/{filesystem.pid_of(place)}/ns/user").stat().st_ino == owner

    async def _bring(self, place: Place, spec: MachineSpec, volume: VolumeDisk) -> None:
        lacks = [f"{name} (Debian package {package})" for name, package in _PROGRAMS.items() if not shutil.which(name)]
        if lacks:
            raise DriverError(f"This host gives containers no volumes: it lacks {', '.join(lacks)}.", again=False)
        if spec.netns is None:
            raise DriverError("The container was made without a network and takes no volumes.", again=False)
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_short(self._short, self._directory)
        place.machine.write_text(spec.id)
        try:
            device = await bridge.build(place, volume)
            base = await self._shelters.base(spec.id)
            if _is_device(volume):
                await asyncio.to_thread(_make_node, place.node, device, base)
            else:
                sandbox = Sandbox(place, spec.netns, base, device)
                await filesystem.start(place, sandbox, read_only=volume.read_only)
        except BaseException:
            await self._end(place)
            raise

    async def _put(self, place: Place, volume: VolumeDisk, pid: int) -> None:
        if _is_device(volume):
            code = await _insertion("device", str(pid), str(place.node), volume.at)
        else:
            mode = "ro" if volume.read_only else "rw"
            code = await _insertion("mount", str(pid), str(filesystem.pid_of(place)), volume.at, mode)
        if code == OCCUPIED:
            raise DriverError(f"The container has something else at {volume.at}.", again=False)
        if code:
            raise DriverError(f"The volume could not be put into the container at {volume.at}.", again=True)

    async def _take(self, place: Place, at: str, pid: int | None, *, lazily: bool) -> None:
        if pid is None or not _has(pid, place):
            return
        code = await _insertion("take", str(pid), at, *(["lazy"] if lazily else []))
        if code == IN_USE:
            raise DriverError(f"The container uses the volume at {at}; it has to stop doing so first.", again=True)
        if code:
            raise DriverError("The volume could not be taken out of the container.", again=True)

    async def _end(self, place: Place) -> None:
        await filesystem.end(place)
        await bridge.end(place)

    def _place(self, id: str) -> Place:
        return Place(self._directory / id, self._short / id)


def _is_device(volume: VolumeDisk) -> bool:
    return volume.at.startswith(_DEVICES)


def _make_node(node: Path, device: str, owner: int) -> None:
    """Beside the host's own, for the file system there lets devices be used; it is the container's root's."""
    node.parent.mkdir(mode=0o700, exist_ok=True)
    node.unlink(missing_ok=True)
    os.mknod(node, stat.S_IFBLK | 0o600, Path(device).stat().st_rdev)
    os.chown(node, owner, owner)


def _has(pid: int, place: Place) -> bool:
    """Whether anything of the attachment is mounted in the container."""
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:
        return False
    device = f"/{place.node.relative_to('/dev')}"
    return any(line.split()[3] == device or line.partition(" - ")[2].split()[1] == f"/{place.id}" for line in lines)


async def _insertion(*words: str) -> int:
    ended = await programs.run((sys.executable, "-I", "-S", _INSERTION, *words))
    return ended.code


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""
