"""Blobs: bytes with a name, which the database only points at (images, objects, layers)."""

from collections.abc import AsyncIterator
from typing import Protocol


class Sink(Protocol):
    """A blob being written. Nothing is visible until `finish`; leaving without it leaves nothing behind."""

    async def write(self, chunk: bytes) -> None: ...

    async def finish(self) -> None: ...

    async def abandon(self) -> None: ...


class Blobs(Protocol):
    async def create(self, key: str) -> Sink: ...

    def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]: ...

    async def size(self, key: str) -> int | None:
        """None: there is no such blob."""
        ...

    async def remove(self, key: str) -> None:
        """Absent already is fine."""
        ...

    async def keys(self) -> set[str]:
        """All that is there, for the sweep."""
        ...

    def local_path(self, key: str) -> str | None:
        """The path of the bytes on this machine, for engines that read files; None if they are elsewhere."""
        ...
