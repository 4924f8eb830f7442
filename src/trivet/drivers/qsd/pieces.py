"""Pieces of disks: read past holes, and written where they belong. Blocking; called in threads."""

import errno
import os
from pathlib import Path

from trivet.drivers.contracts.volume import Piece


def following(path: Path, offset: int, length: int) -> Piece | None:
    fd = os.open(path, os.O_RDONLY)
    try:
        at = os.lseek(fd, offset, os.SEEK_DATA)
        start = max(offset, at - at % length)
        data = os.pread(fd, length, start)
        return Piece(start, data.ljust(length, b"\0")) if data else None
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None  # from here on there are only holes
        raise
    finally:
        os.close(fd)


def put(path: Path, offset: int, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        left = memoryview(data)
        while left:
            written = os.pwrite(fd, left, offset)
            left, offset = left[written:], offset + written
    finally:
        os.close(fd)
