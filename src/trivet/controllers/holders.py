"""Holders: which processes of this data directory live, as the kernel knows it.

Each has a file there that it keeps locked until it ends, however that comes. So who is started again after a kill knows
at once that what it held is free, and need not watch it first (store/leases.py). Of a process elsewhere, or of a file
that was copied from elsewhere, nothing is known.
"""

import fcntl
import os
from pathlib import Path

_FOLDER = "holders"
_KEPT = 64


class Holders:
    def __init__(self, data: Path, name: str) -> None:
        """`name` is this process's, and like no other's."""
        self._folder = data / _FOLDER
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_the_dead()
        self._path = self._folder / name
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.me = f"{name}:{os.fstat(self._file).st_ino}"
        """The name of this holder in leases. A copied data folder has another file, so its holders have other names."""

    def died(self, holder: str) -> bool:
        """Whether it is certain that this one has ended."""
        name, _, number = holder.rpartition(":")
        if not name or "/" in name or name == self._path.name:
            return False
        try:
            return str((self._folder / name).stat().st_ino) == number and _is_free(self._folder / name)
        except OSError:
            return False

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _forget_the_dead(self) -> None:
        """Removes the files of dead holders except the newest, whose leases may still be there."""
        known = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in known[_KEPT:]:
            if _is_free(path):
                path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True
