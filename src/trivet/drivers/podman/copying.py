"""Copying files into a running container and out of it, as a tar.

A program of its own, by the standard library alone, because nobody comes back from another mount namespace. It is
there no more than the container's own root, and sees what the container sees, volumes too. Nothing is imported from
there, no name of a user or group is looked up there: whoever owns the container owns its libraries.

    copying.py out PID PATH      a file or folder, to standard output
    copying.py in PID PATH       from standard input, below a folder that is there
"""

import ctypes
import io
import os
import stat
import sys
import tarfile
from typing import Any

ABSENT, NO_FOLDER, NO_ARCHIVE, REFUSED, TOO_LARGE = 20, 21, 22, 23, 24
"""Exit codes."""
MOST = 4 << 20
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _enter(pid: str) -> None:
    mounts = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    alone: Any = tarfile
    alone.pwd = alone.grp = None
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_hooks.clear()
    _done(_libc.setns(mounts, _NEW_MOUNTS))
    os.setgroups([])
    _done(_libc.setns(user, _NEW_USER))
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.close(mounts)
    os.close(user)


class _Bounded(io.RawIOBase):
    """Ends us rather than growing."""

    def __init__(self) -> None:
        self._left = MOST

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._left -= len(piece)
        if self._left < 0:
            os._exit(TOO_LARGE)
        view = memoryview(piece)
        while view:
            view = view[os.write(1, view) :]
        return len(piece)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """What may never end, or is no file at all, stays."""
    return member if member.isreg() or member.isdir() or member.issym() or member.islnk() else None


def out(path: str) -> None:
    if not os.path.lexists(path):
        sys.exit(ABSENT)
    name = path.rstrip("/").rpartition("/")[2] or "/"
    with tarfile.open(fileobj=_Bounded(), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        tar.add(path, arcname=name, filter=_plain)


def into(path: str) -> None:
    archive = io.BytesIO(sys.stdin.buffer.read(MOST + 1))
    if not os.path.isdir(path):  # noqa: PTH112 - nothing more is imported
        sys.exit(NO_FOLDER)
    try:
        tar = tarfile.open(fileobj=archive, mode="r:")  # noqa: SIM115 - closed with us
        members = [member for member in tar if _plain(member) is not None]
    except (tarfile.TarError, ValueError):
        sys.exit(NO_ARCHIVE)
    # Where it leads astray, it is astray in the container's own files: no newer Python need look after that.
    tar.extraction_filter = lambda member, _: member
    for member in members:
        member.mode = stat.S_IMODE(member.mode) & 0o1777
        tar.extract(member, path, numeric_owner=True)


if __name__ == "__main__":
    os.umask(0o022)
    way, pid, path = sys.argv[1:]
    # Whatever it needs is here before it goes where nothing can be trusted.
    b"".decode("ascii")
    "x".encode("idna")
    warm = io.BytesIO()
    with tarfile.open(fileobj=warm, mode="w", format=tarfile.PAX_FORMAT) as empty:
        empty.addfile(tarfile.TarInfo("ä"))
    warm.seek(0)
    with tarfile.open(fileobj=warm, mode="r:") as empty:
        list(empty)
    _enter(pid)
    try:
        (out if way == "out" else into)(path)
    except OSError as error:
        sys.stderr.write(os.strerror(error.errno or 0)[:200])
        sys.exit(REFUSED)
