"""Id ranges: the 65,536 user and group ids of the host that one container's ids 0 to 65,535 stand for.

No two containers of this host share one, whichever Trivet they are of: a range is claimed by a symbolic link
in one folder of the host, which names the container's own folder. A claim is over when that folder is gone,
so nobody needs to tidy up after a cloud whose data was deleted.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trivet.drivers.contracts.errors import DriverError

SIZE = 65536
FIRST = 0x70000000
"""Above what systemd hands to its own containers, and below 2^31, where some programs take an id for negative."""
END = 0x7FFE0000
CLAIMS = Path("/var/lib/trivet/id-ranges")
GRANTED = (Path("/etc/subuid"), Path("/etc/subgid"))
"""Where an operator writes which ids are for others."""


def claim(owner: Path) -> int:
    """The first id of a range that is the owner's from now on; again the same one while he keeps it."""
    with _alone():
        taken = {int(link.name): link.readlink() for link in CLAIMS.iterdir() if link.name.isdigit()}
        for base, holder in taken.items():
            if holder == owner:
                return base
        granted = list(_granted())
        for base in range(FIRST, END, SIZE):
            if base in taken and taken[base].is_dir():
                continue
            if not any(start < base + SIZE and base < end for start, end in granted):
                _give(base, owner)
                return base
    raise DriverError("This host has no user ids left for another container.", again=True)


def keep(base: int, owner: Path) -> bool:
    """Whether the range is still the owner's, who takes it back if only the claim was lost."""
    with _alone():
        holder = _holder(base)
        if holder is None or (holder != owner and not holder.is_dir()):
            _give(base, owner)
            return True
        return holder == owner


def release(base: int, owner: Path) -> None:
    with _alone():
        if _holder(base) == owner:
            _link(base).unlink()


def _give(base: int, owner: Path) -> None:
    _link(base).unlink(missing_ok=True)
    _link(base).symlink_to(owner)


def _holder(base: int) -> Path | None:
    try:
        return _link(base).readlink()
    except FileNotFoundError:
        return None


def _link(base: int) -> Path:
    return CLAIMS / str(base)


@contextmanager
def _alone() -> Iterator[None]:
    """One at a time on this host."""
    CLAIMS.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(CLAIMS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _granted() -> Iterator[tuple[int, int]]:
    """Lines of the form name:first:count."""
    for path in GRANTED:
        for line in path.read_text().splitlines() if path.exists() else ():
            _, _, numbers = line.partition(":")
            first, _, count = numbers.partition(":")
            if first.isdecimal() and count.isdecimal():
                yield int(first), int(first) + int(count)
