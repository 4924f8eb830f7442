"""Running a program on a file system that a tenant may have written, where it can harm nobody else.

A program of its own, by the standard library alone, because it changes for good what the process may see and do: it
becomes root of the container's user namespace (on the host: an id of nobody), sees nothing of the host but /usr, its
network is empty, and what it is given is one block device and /dev/fuse. Whoever breaks out of e2fsck or fuse2fs by
a crafted disk is where the container's own root was already.

    sandbox.py NETNS DEVICE NAME OWNER FOLDER PROGRAM [WORD]...

The device is /NAME inside, and /fs is there to mount on.
"""

import ctypes
import fcntl
import os
import stat
import sys
from pathlib import Path

_GET_OWNER = 0xB701
_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEV, _REMOUNT, _BIND, _ALL_BELOW, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DETACH = 2
_NO_NEW_PRIVILEGES = 38
_DEVICES = ("fuse", "null", "urandom")
_LINKS = ("bin", "sbin", "lib", "lib64")
_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _mount(source: str | None, target: str, kind: str | None, flags: int, words: str | None = None) -> None:
    encoded = [None if each is None else each.encode() for each in (source, target, kind, words)]
    _done(_libc.mount(encoded[0], encoded[1], encoded[2], flags, encoded[3]))


def _furnish(root: Path, device: Path, name: str, owner: int) -> None:
    """A root of its own, in memory: made while we may still do everything."""
    _mount("none", "/", None, _ALL_BELOW | _PRIVATE)
    _mount("tmpfs", str(root), "tmpfs", _NO_SUID, "mode=755,size=1m")
    for folder in ("usr", "etc", "dev", "fs"):
        (root / folder).mkdir()
    for link in _LINKS:
        (root / link).symlink_to(f"usr/{link}")
    _mount("/usr", str(root / "usr"), None, _BIND)
    _mount(None, str(root / "usr"), None, _BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEV)
    # Programs that want to know what is mounted read this.
    (root / "etc/mtab").touch()
    for file in _DEVICES:
        _node(root / "dev" / file, stat.S_IFCHR, Path("/dev", file), owner)
    _node(root / name, stat.S_IFBLK, device, owner)
    os.chdir(root)
    _done(_libc.pivot_root(b".", b"."))
    _done(_libc.umount2(b".", _DETACH))
    os.chdir("/")


def _node(path: Path, kind: int, like: Path, owner: int) -> None:
    os.mknod(path, kind | 0o600, like.stat().st_rdev)
    os.chown(path, owner, owner)


def main(netns: str, device: str, name: str, owner: str, folder: str, *words: str) -> None:
    user = fcntl.ioctl(os.open(netns, os.O_RDONLY), _GET_OWNER)
    _done(_libc.unshare(_NEW_MOUNTS | _NEW_NET | _NEW_IPC))
    _furnish(Path(folder), Path(device), name, int(owner))
    os.setgroups([])
    _done(_libc.setns(user, _NEW_USER))
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    # Mounts of its own once more: these belong to the user namespace, in which it may mount a file system of FUSE.
    _done(_libc.unshare(_NEW_MOUNTS))
    _done(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    os.execve(words[0], words, {"PATH": "/usr/sbin:/usr/bin"})  # noqa: S606 - it takes our place


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:])
