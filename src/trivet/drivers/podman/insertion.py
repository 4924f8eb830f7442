"""Putting a file system or a device into a container, running or about to, and taking it out again.

A program of its own, by the standard library alone, because nobody comes back from another mount namespace. It holds
the mount already when it enters, and is there no more than the container's own root: a path that leads astray leads
only through what is the container's.

    insertion.py mount PID HELPER TARGET ro|rw     what HELPER has at /fs
    insertion.py device PID NODE TARGET            a block device
    insertion.py take PID TARGET [lazy]            either
"""

import ctypes
import errno
import os
import stat
import sys
from pathlib import Path

IN_USE, OCCUPIED = 16, 17
"""Exit codes: somebody in the container uses it; something else is there."""
_OPEN_TREE, _MOVE_MOUNT, _SET_ATTRIBUTES = 428, 429, 442
_CLONE, _CLOSE_ON_EXEC, _EMPTY_PATH, _FROM_ITSELF = 1, 0o2000000, 0x1000, 4
_READ_ONLY, _NO_SUID, _NO_DEV = 1, 2, 4
_DETACH, _NO_FOLLOW = 2, 8
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_HERE = -100
_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _clone(path: str, attributes: int) -> int:
    """A mount of the same, which is nowhere yet."""
    tree = _done(_libc.syscall(_OPEN_TREE, _HERE, path.encode(), _CLONE | _CLOSE_ON_EXEC))
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    _done(_libc.syscall(_SET_ATTRIBUTES, tree, b"", _EMPTY_PATH, wanted, 32))
    return tree


def _enter(mounts: int, user: int) -> None:
    _done(_libc.setns(mounts, _NEW_MOUNTS))
    os.setgroups([])
    _done(_libc.setns(user, _NEW_USER))
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _namespaces(pid: str) -> tuple[int, int]:
    return os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)


def _move(tree: int, target: str) -> None:
    _done(_libc.syscall(_MOVE_MOUNT, tree, b"", _HERE, target.encode(), _FROM_ITSELF))


def mount(pid: str, helper: str, target: str, mode: str) -> None:
    there = _namespaces(pid)
    _done(_libc.setns(_namespaces(helper)[0], _NEW_MOUNTS))
    tree = _clone("/fs", _NO_SUID | _NO_DEV | (_READ_ONLY if mode == "ro" else 0))
    _enter(*there)
    try:
        Path(target).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        sys.exit(OCCUPIED)
    _move(tree, target)


def device(pid: str, node: str, target: str) -> None:
    there = _namespaces(pid)
    tree = _clone(node, _NO_SUID)
    _enter(*there)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(target, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    found = os.fstat(fd)
    os.close(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size:
        sys.exit(OCCUPIED)
    _move(tree, target)


def take(pid: str, target: str, *, lazily: bool) -> None:
    _enter(*_namespaces(pid))
    if _libc.umount2(target.encode(), _NO_FOLLOW | (_DETACH if lazily else 0)) < 0:
        code = ctypes.get_errno()
        if code == errno.EBUSY:
            sys.exit(IN_USE)
        if code not in (errno.EINVAL, errno.ENOENT):
            raise OSError(code, os.strerror(code))
    if target.startswith("/dev/") and Path(target).is_file():
        Path(target).unlink()


if __name__ == "__main__":
    os.umask(0o022)
    match sys.argv[1:]:
        case ["mount", pid, helper, target, mode]:
            mount(pid, helper, target, mode)
        case ["device", pid, node, target]:
            device(pid, node, target)
        case ["take", pid, target, *how]:
            take(pid, target, lazily=how == ["lazy"])
