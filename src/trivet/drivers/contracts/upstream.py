"""An engine that speaks HTTP itself, to which calls of our clients go on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import msgspec


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    chunks: AsyncIterator[bytes]
    """The body as it comes; DriverError where it breaks off. It may be read in two goes."""
    close: Callable[[], Awaitable[None]]
    """Whoever does not read the body to its end says so; afterwards it does nothing."""


class Upstream(Protocol):
    async def ask(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes, who: list[tuple[str, str]] | None
    ) -> Answer:
        """`who` are headers that say in whose name it is asked, which the engine believes us; None is nobody's.

        DriverError if the engine is away or does not answer, ValueError if this can be no request.
        """
        ...
