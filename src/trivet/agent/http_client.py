"""A small HTTP client for one server: asynchronous, connections kept, memory by the chunk.

It says no in the words of errors.py, as the far side does. Everything an agent asks may be asked again, so a
kept connection that turns out to be closed is replaced by a new one without a word.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11
import msgspec

from trivet.errors import Busy, Conflict, Forbidden, Invalid, NotFound, TrivetError

_CHUNK = 256 * 1024
_CONNECT_S = 10.0
_SEND_S = 60.0
"""For the other end to take a piece."""
_IDLE_MAX = 4
_BODY_MAX = 64 << 20
_KINDS: dict[int, type[TrivetError]] = {400: Invalid, 401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}

Headers = list[tuple[str, str]]
Sent = bytes | AsyncIterator[bytes]
"""Whole, or in pieces of which nobody knows the sum."""


@dataclass(frozen=True, slots=True)
class Ask:
    method: str
    path: str
    headers: Headers = field(default_factory=list)
    body: Sent = b""
    wait_s: float = 30.0
    """For the answer to begin, and for each piece of it."""


class _Said(msgspec.Struct):
    code: str
    message: str


class _Refusal(msgspec.Struct):
    error: _Said


@dataclass(slots=True)
class _Wire:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection
    used: bool = False

    async def send(self, *events: "h11.Event") -> None:
        for event in events:
            self.writer.write(self.state.send(event) or b"")
        async with asyncio.timeout(_SEND_S):
            await self.writer.drain()

    async def next(self, wait_s: float) -> "h11.Event | type[h11.PAUSED]":
        while (event := self.state.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(wait_s):
                self.state.receive_data(await self.reader.read(_CHUNK))
        return event  # type: ignore[return-value] # NEED_DATA was the loop's condition


class _Stale(Exception):
    """A kept connection was closed at the other end."""


class Answer:
    def __init__(self, wire: _Wire, status: int, headers: dict[str, str], wait_s: float) -> None:
        self.status = status
        self.headers = headers
        self._wire = wire
        self._wait_s = wait_s

    async def chunks(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._wire.next(self._wait_s), h11.Data):
            yield bytes(event.data)

    async def whole(self) -> bytes:
        found = bytearray()
        async for chunk in self.chunks():
            found += chunk
            if len(found) > _BODY_MAX:
                raise Busy("api.answer", "The API's answer is larger than anything we asked for.")
        return bytes(found)


class HttpClient:
    def __init__(self, url: str, headers: Headers) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid("api.url", f"The API's address must be like https://cloud.example:8774, not {url!r}.")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        self._headers = [("Host", parts.netloc.rpartition("@")[2]), *headers]
        self._idle: list[_Wire] = []

    @asynccontextmanager
    async def asking(self, ask: Ask) -> AsyncIterator[Answer]:
        """The answer, to be read within the block; whatever is not 2xx is raised instead."""
        wire: _Wire | None = None
        try:
            wire, answer = await self._ask(ask)
            if answer.status >= 300:
                raise _refusal(answer.status, await answer.whole())
            yield answer
            self._keep(wire)
            wire = None
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            raise Busy("api.away", f"The API cannot be reached ({_why(error)}).") from error
        finally:
            if wire is not None:
                wire.writer.close()

    async def own_address(self) -> str:
        """The address of this machine from which the server is reached; nothing is sent to find out."""
        return await asyncio.to_thread(self._facing)

    def _facing(self) -> str:
        try:
            family, kind, _, _, there = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind) as looking:
                looking.connect(there)
                return str(looking.getsockname()[0])
        except OSError:
            return ""

    async def call(self, ask: Ask) -> bytes:
        async with self.asking(ask) as answer:
            return await answer.whole()

    async def _ask(self, ask: Ask) -> tuple[_Wire, Answer]:
        while True:
            wire = self._idle.pop() if self._idle else await self._connect()
            try:
                return wire, await self._exchange(wire, ask)
            except _Stale:
                wire.writer.close()
            except BaseException:
                wire.writer.close()
                raise

    async def _connect(self) -> _Wire:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_CHUNK)
        return _Wire(reader, writer, h11.Connection(h11.CLIENT))

    async def _exchange(self, wire: _Wire, ask: Ask) -> Answer:
        # A body that comes in pieces is partly used up by then: only its owner can begin it again.
        repeatable = wire.used and isinstance(ask.body, bytes)
        try:
            await self._send(wire, ask)
            event = await wire.next(ask.wait_s)
            while isinstance(event, h11.InformationalResponse):
                event = await wire.next(ask.wait_s)
        except TimeoutError:
            raise
        except (OSError, h11.RemoteProtocolError) as error:
            if repeatable:
                raise _Stale from error
            raise
        if not isinstance(event, h11.Response):
            if repeatable:
                raise _Stale
            raise OSError("the connection was closed")
        said = {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in event.headers}
        return Answer(wire, event.status_code, said, ask.wait_s)

    async def _send(self, wire: _Wire, ask: Ask) -> None:
        body = ask.body
        length = ("Content-Length", str(len(body))) if isinstance(body, bytes) else ("Transfer-Encoding", "chunked")
        headers = [*self._headers, *ask.headers, length]
        await wire.send(h11.Request(method=ask.method, target=self._path + ask.path, headers=headers))
        if isinstance(body, bytes):
            if body:
                await wire.send(h11.Data(data=body))
        else:
            async for chunk in body:
                await wire.send(h11.Data(data=chunk))
        await wire.send(h11.EndOfMessage())

    def _keep(self, wire: _Wire) -> None:
        state = wire.state
        if state.our_state is h11.DONE and state.their_state is h11.DONE and len(self._idle) < _IDLE_MAX:
            state.start_next_cycle()
            wire.used = True
            self._idle.append(wire)
        else:
            wire.writer.close()

    def close(self) -> None:
        for wire in self._idle:
            wire.writer.close()
        self._idle.clear()


def _refusal(status: int, body: bytes) -> TrivetError:
    try:
        said = msgspec.json.decode(body, type=_Refusal).error
    except msgspec.MsgspecError:
        said = _Said("api.refused", f"The API answered {status}.")
    if status >= 500:
        return Busy(said.code, said.message)
    return _KINDS.get(status, Invalid)(said.code, said.message, status=status)


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__
