"""Archives that become objects: received as a blob that nobody points at, and read member by member in a thread."""

import asyncio
import bz2
import gzip
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, TypeVar, cast

from trivet.domain.objects.uploads import Received
from trivet.drivers.contracts import tars
from trivet.drivers.contracts.tars import Broken, Member
from trivet.errors import Invalid
from trivet.parts import Parts

KINDS = ("tar", "tar.gz", "tar.bz2")
T = TypeVar("T")
_PASSED_OVER_MAX = 1 << 20
"""Of what is refused: more is not even unpacked."""


class Archive:
    def __init__(self, file: IO[bytes]) -> None:
        self._reader = tars.Reader(file)
        self._members: Iterator[Member] = iter(self._reader)

    async def members(self) -> AsyncIterator[Member]:
        """The files in it. What is in one is read before the next is asked for, or passed over."""
        while True:
            member = await _next(self._members)
            if member is None:
                return
            if member.kind == "file":
                yield member

    async def content(self, member: Member) -> AsyncIterator[bytes]:
        chunks = self._reader.content(member)
        while (chunk := await _next(chunks)) is not None:
            yield chunk

    def refuse(self, member: Member) -> None:
        if member.size > _PASSED_OVER_MAX:
            raise Invalid("archive.member", f"{member.name[:200]} cannot be stored, and is too large to pass over.")


@asynccontextmanager
async def opened(parts: Parts, received: Received, kind: str) -> AsyncIterator[Archive]:
    async with _local_file(parts, received) as source:
        file = await asyncio.to_thread(_open, source, kind)
        try:
            yield Archive(file)
        finally:
            await asyncio.to_thread(file.close)


def _open(source: str | IO[bytes], kind: str) -> IO[bytes]:
    if kind == "tar.gz":
        return cast("IO[bytes]", gzip.open(source, "rb"))
    if kind == "tar.bz2":
        return cast("IO[bytes]", bz2.open(source, "rb"))
    return Path(source).open("rb") if isinstance(source, str) else source


async def _next(steps: Iterator[T]) -> T | None:
    try:
        return await asyncio.to_thread(next, steps, None)
    except (Broken, EOFError, OSError, zlib.error) as error:
        raise Invalid("archive.broken", f"Invalid Tar File: {error}") from error


@asynccontextmanager
async def _local_file(parts: Parts, received: Received) -> AsyncIterator[str | IO[bytes]]:
    if received.key is None:
        raise Invalid("archive.broken", "Invalid Tar File: it is empty")
    if received.content is not None:
        yield BytesIO(received.content)
        return
    path = parts.blobs.local_path(received.key)
    if path is not None:
        yield path
        return
    with tempfile.NamedTemporaryFile() as file:
        async for chunk in parts.blobs.read(received.key):
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.flush)
        yield file.name
