"""Noticing that a container ended, without looking.

A conmon stands behind every running container and leaves last, after podman has written down how it
ended (or started it again, with a new conmon). The kernel tells us of its end through a pidfd.
"""

import asyncio
import os
from pathlib import Path


class Exits:
    def __init__(self) -> None:
        self._followed: dict[str, tuple[int, int]] = {}
        """By container: its conmon's number, and pidfd."""
        self._ended: asyncio.Queue[str] = asyncio.Queue()

    def follow(self, id: str, conmon_pid_file: Path) -> bool:
        """Twice is fine. False of a container that has ended already, of which nothing is told."""
        try:
            pid = int(conmon_pid_file.read_text())
            if self._followed.get(id, (0, 0))[0] == pid:
                return True
            fd = os.pidfd_open(pid)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return False
        # Only now is the number sure not to be taken by another process before we look at it.
        if not _is_conmon_of(pid, conmon_pid_file):
            os.close(fd)
            return False
        if id in self._followed:
            self._end(id)  # the run before this one: its conmon has done all but leave
        self._followed[id] = pid, fd
        asyncio.get_running_loop().add_reader(fd, self._end, id)
        return True

    def tell(self, id: str) -> None:
        """Of one that ended before it could be followed."""
        self._ended.put_nowait(id)

    def forget(self, id: str) -> None:
        _, fd = self._followed.pop(id, (0, None))
        if fd is not None:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)

    async def next(self) -> str:
        return await self._ended.get()

    def _end(self, id: str) -> None:
        self.forget(id)
        self.tell(id)


def has_conmon(conmon_pid_file: Path) -> bool:
    try:
        return _is_conmon_of(int(conmon_pid_file.read_text()), conmon_pid_file)
    except (FileNotFoundError, ValueError):
        return False


def is_tidying_up(conmon_pid_file: Path, container_id: str) -> bool:
    """Whether the conmon of the run before is there, or what it became: a podman that takes its root file system away,
    also from under the next run."""
    try:
        return container_id.encode() in _words(int(conmon_pid_file.read_text()))
    except (FileNotFoundError, ValueError):
        return False


def _is_conmon_of(pid: int, conmon_pid_file: Path) -> bool:
    return os.fsencode(conmon_pid_file) in _words(pid)


def _words(pid: int) -> list[bytes]:
    """Empty of one that has ended and waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
