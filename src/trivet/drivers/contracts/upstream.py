"""An engine that speaks HTTP itself, to which calls of our clients go on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import msgspec

from trivet.drivers.contracts.errors import DriverError


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    chunks: AsyncIterator[bytes]
    """The body as it comes; DriverError where it breaks off. It may be read in two goes."""
    close: Callable[[], Awaitable[None]]
    """Whoever does not read the body to its end says so; afterwards it does nothing."""


class Away(DriverError):
    def __init__(self, *, reached: bool) -> None:
        """`reached`: it may have heard what was asked, and may have done it."""
        super().__init__("The engine for physical machines does not answer.", again=True)
        self.reached = reached


class Upstream(Protocol):
    async def ask(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes, who: list[tuple[str, str]] | None
    ) -> Answer:
        """`who` are headers that say in whose name it is asked, which the engine believes us; None is nobody's.

        Away if the engine is not there or does not answer, ValueError if this can be no request.
        """
        ...
