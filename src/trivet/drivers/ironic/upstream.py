"""The engine as what calls of clients go on to: one request a connection, which it closes.

It believes us who asks, because its socket lies in a folder that is ours alone.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import h11

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.upstream import Answer, Away

_CONNECT_S = 5.0
_ANSWER_S = 120.0
"""The engine asks a machine's management controller on the way, and those are slow."""
_CHUNK_S = 30.0
_CHUNK = 1 << 16
_BODY_MAX = 64 << 20


class SocketUpstream:
    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def ask(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes, who: list[tuple[str, str]] | None
    ) -> Answer:
        state = h11.Connection(h11.CLIENT)
        own = [("host", "engine"), ("connection", "close"), ("content-length", str(len(body)))]
        try:
            request = h11.Request(method=method, target=target, headers=[*own, *headers, *(who or [])])
        except h11.LocalProtocolError as error:
            raise ValueError(str(error)) from error
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except (OSError, TimeoutError) as error:
            raise Away(reached=False) from error
        try:
            return await self._answer(state, request, body, reader, writer)
        except BaseException:
            writer.close()
            raise

    async def _answer(
        self,
        state: h11.Connection,
        request: h11.Request,
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Answer:
        try:
            async with asyncio.timeout(_ANSWER_S):
                for event in (request, h11.Data(data=body), h11.EndOfMessage()):
                    writer.write(state.send(event) or b"")
                await writer.drain()
                head = await _next(state, reader)
                while isinstance(head, h11.InformationalResponse):
                    head = await _next(state, reader)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            raise Away(reached=True) from error
        if not isinstance(head, h11.Response):
            raise Away(reached=True)

        async def close() -> None:
            writer.close()

        return Answer(head.status_code, list(head.headers), _Chunks(state, reader, writer), close)


class _Chunks:
    """Of a body. No generator, since one that is left in the middle of a loop is at its end."""

    def __init__(self, state: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._state, self._reader, self._writer = state, reader, writer
        self._size = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(_CHUNK_S):
                event = await _next(self._state, self._reader)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            self._writer.close()
            raise Away(reached=True) from error
        if isinstance(event, h11.Data):
            self._size += len(event.data)
            if self._size > _BODY_MAX:
                self._writer.close()
                raise DriverError("The engine for physical machines answers without end.", again=False)
            return bytes(event.data)
        self._writer.close()
        raise StopAsyncIteration


async def _next(state: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := state.next_event()) is h11.NEED_DATA:
        state.receive_data(await reader.read(_CHUNK))
    return event
