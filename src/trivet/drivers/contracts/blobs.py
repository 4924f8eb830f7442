"""Blobs: bytes with a name, which the database only points at (images, objects, layers, backups).

A key is `kind.rest`; the kind says whose it is, and who sweeps. What is found under a key is whole and on the disk, and
never changes: whoever has other bytes writes another key. Whoever removes one has made sure that no row points at it.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class Sink(Protocol):
    """A blob being written. Nothing is visible until `finish`; leaving without it leaves nothing behind."""

    async def write(self, chunk: bytes) -> None: ...

    async def finish(self) -> None: ...

    async def abandon(self) -> None: ...


class Found(NamedTuple):
    key: str
    size: int
    at: float
    """When its last byte came, by the clock of whatever keeps it."""


class Blobs(Protocol):
    async def create(self, key: str) -> Sink: ...

    async def put(self, key: str, content: bytes) -> None:
        """A small blob in one step."""
        ...

    def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]: ...

    async def get(self, key: str, offset: int, length: int) -> bytes:
        """So many bytes of a blob at once, for what is small. Fewer, if it ends before."""
        ...

    async def size(self, key: str) -> int | None:
        """None: there is no such blob."""
        ...

    async def remove(self, key: str) -> None:
        """Absent already is fine."""
        ...

    async def keys(self, kind: str | None = None) -> set[str]:
        """All that is there, or all of one kind; for kinds of which there are never millions."""
        ...

    def walk(self, kind: str, after: str = "") -> AsyncIterator[tuple[str, list[Found]]]:
        """All that is there of one kind, a bounded part at a time, with a mark from which a later walk can go on."""
        ...

    def local_path(self, key: str) -> str | None:
        """The path of the bytes on this machine, for engines that read files; None if they are elsewhere."""
        ...
