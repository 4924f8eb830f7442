"""Blobs as plain files of one directory, shared by all processes of a machine (or mounted by several).

A blob is written beside its name (`.part`) and gets it only when its bytes are on the disk, so what is
found under a name is always whole. Blocking calls run in threads; small ones are made at once, since
handing over costs more than they do.

Images lie side by side. Of other kinds there may be millions: those lie in 256 folders, by a checksum of the key.
"""

import asyncio
import contextlib
import errno
import os
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

from trivet.drivers import durable
from trivet.drivers.contracts.blobs import Found
from trivet.drivers.contracts.errors import DriverError

_READ_BYTES = 1 << 20
_SMALL_BYTES = 128 * 1024
_PART_DEAD_S = 3600.0
_FLAT = "image"
_FOLDERS = 256


class FileBlobs:
    def __init__(self, directory: Path | str) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._made = {self._directory}

    async def create(self, key: str) -> "FileSink":
        path = self._path(key)
        with _told():
            self._make_room(path)
            # A .part of the same name is left by a writer that died: keys are never written by two at once.
            file = durable.part_of(path).open("wb", buffering=0)
        return FileSink(path, file)

    async def put(self, key: str, content: bytes) -> None:
        path = self._path(key)
        with _told():
            await asyncio.to_thread(self._put, path, content)

    def _put(self, path: Path, content: bytes) -> None:
        self._make_room(path)
        part = durable.part_of(path)
        try:
            with part.open("wb", buffering=0) as file:
                _write_all(file, content)
                durable.sync(file)
            durable.move(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _make_room(self, path: Path) -> None:
        """Of the 256 folders, those that are used."""
        folder = path.parent
        if folder not in self._made:
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                durable.sync_folder(folder.parent)
                durable.sync_folder(folder.parent.parent)
            self._made.add(folder)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = self._path(key).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise _absent(key) from error
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

    async def get(self, key: str, offset: int, length: int) -> bytes:
        path = self._path(key)
        return (
            _part_of(path, offset, length)
            if length <= _SMALL_BYTES
            else await asyncio.to_thread(_part_of, path, offset, length)
        )

    async def keys(self, kind: str | None = None) -> set[str]:
        """The keys of all blobs. Files that dead writers left are removed on the way."""
        kinds = await asyncio.to_thread(self._kinds) if kind is None else [kind]
        found = set()
        for each in kinds:
            async for _, part in self.walk(each):
                found |= {one.key for one in part if kind is None or one.key.startswith(f"{kind}.")}
        return found

    def _kinds(self) -> list[str]:
        return [_FLAT, *(path.name for path in self._directory.iterdir() if path.is_dir())]

    async def walk(self, kind: str, after: str = "") -> AsyncIterator[tuple[str, list[Found]]]:
        """Folder by folder. Also clears away what writers that died have left."""
        if kind == _FLAT:
            yield "", await asyncio.to_thread(_listed, self._directory)
            return
        for number in range(_FOLDERS):
            name = f"{number:02x}"
            if name > after:
                yield name, await asyncio.to_thread(_listed, self._directory / kind / name)

    def local_path(self, key: str) -> str | None:
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        if not key or key.startswith(".") or "/" in key or "\0" in key or key.endswith(durable.PART):
            raise DriverError(f"A blob cannot be named {key[:100]!r}.", again=False)
        kind, dot, _ = key.partition(".")
        if not dot or kind == _FLAT:
            return self._directory / key
        return self._directory / kind / f"{zlib.crc32(key.encode()) % _FOLDERS:02x}" / key


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


def _part_of(path: Path, offset: int, length: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise _absent(path.name) from error
    try:
        return os.pread(descriptor, length, offset)
    except OSError as error:
        raise DriverError(f"The disk that keeps the bytes cannot be read: {error.strerror}.", again=True) from error
    finally:
        os.close(descriptor)


def _absent(key: str) -> DriverError:
    return DriverError(f"There are no bytes named {key}.", again=False)


def _listed(folder: Path) -> list[Found]:
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(durable.PART):
                if _dead(entry):
                    Path(entry.path).unlink(missing_ok=True)
            elif entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    found.append(Found(entry.name, stat.st_size, stat.st_mtime))
    return found


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
