"""An engine for physical machines that is not there: it keeps what it was asked, and answers what a test wants."""

from collections.abc import AsyncIterator

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.upstream import Answer

Pairs = list[tuple[str, str]]


class FakeEngine:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes, dict[str, str] | None]] = []
        self.status = 200
        self.headers = [(b"content-type", b"application/json")]
        self.body = [b"{}"]
        self.away = False
        self.closed = 0

    async def ask(self, method: str, target: str, headers: Pairs, body: bytes, who: Pairs | None) -> Answer:
        if self.away:
            raise DriverError("The engine for physical machines does not answer.", again=True)
        self.asked.append((method, target, dict(headers), body, None if who is None else dict(who)))
        return Answer(self.status, self.headers, _chunks(self.body), self._close)

    async def _close(self) -> None:
        self.closed += 1


class _Chunks:
    def __init__(self, chunks: list[bytes]) -> None:
        self._left = list(chunks)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)


def _chunks(chunks: list[bytes]) -> AsyncIterator[bytes]:
    return _Chunks(chunks)
