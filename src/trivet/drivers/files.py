"""Blobs as plain files of one directory, shared by all processes of a machine (or mounted by several).

A blob is written beside its name (`.part`) and gets it only when its bytes are on the disk, so what is
found under a name is always whole. Blocking calls run in threads; small ones are made at once, since
handing over costs more than they do.
"""

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

from trivet.drivers import durable
from trivet.drivers.contracts.errors import DriverError

_READ_BYTES = 256 * 1024
_SMALL_BYTES = 128 * 1024
_PART_DEAD_S = 3600.0


class FileBlobs:
    def __init__(self, directory: Path | str) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def create(self, key: str) -> "FileSink":
        path = self._path(key)
        with _told():
            # A .part of the same name is left by a writer that died: keys are never written by two at once.
            file = durable.part_of(path).open("wb", buffering=0)
        return FileSink(path, file)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = self._path(key).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise DriverError(f"There are no bytes named {key}.", again=False) from error
        with file:
            left = length
            if offset:
                file.seek(offset)
            while left is None or left > 0:
                wanted = _READ_BYTES if left is None else min(_READ_BYTES, left)
                chunk = await asyncio.to_thread(file.read, wanted)
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                yield chunk

    async def size(self, key: str) -> int | None:
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError:
            return None

    async def remove(self, key: str) -> None:
        path = self._path(key)
        with _told():
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def keys(self) -> set[str]:
        """The keys of all blobs. Files that dead writers left are removed on the way."""
        return await asyncio.to_thread(self._keys)

    def _keys(self) -> set[str]:
        found = set()
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if not entry.name.endswith(durable.PART):
                    found.add(entry.name)
                elif _dead(entry):
                    Path(entry.path).unlink(missing_ok=True)
        return found

    def local_path(self, key: str) -> str | None:
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        if not key or key.startswith(".") or "/" in key or "\0" in key or key.endswith(durable.PART):
            raise DriverError(f"A blob cannot be named {key[:100]!r}.", again=False)
        return self._directory / key


class FileSink:
    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file

    async def write(self, chunk: bytes) -> None:
        with _told():
            if len(chunk) <= _SMALL_BYTES:
                _write_all(self._file, chunk)
            else:
                await asyncio.to_thread(_write_all, self._file, chunk)

    async def finish(self) -> None:
        with _told():
            await asyncio.to_thread(self._settle)

    def _settle(self) -> None:
        durable.sync(self._file)
        self._file.close()
        durable.move(durable.part_of(self._path), self._path)

    async def abandon(self) -> None:
        self._file.close()
        durable.part_of(self._path).unlink(missing_ok=True)


def _write_all(file: IO[bytes], chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _dead(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - entry.stat().st_mtime > _PART_DEAD_S
    return False


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DriverError("The disk that keeps the bytes is full; free some space.", again=True) from error
        raise DriverError(f"The disk that keeps the bytes cannot be used: {error.strerror}.", again=True) from error
