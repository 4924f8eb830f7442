"""A small client of Ironic's API: one request a connection, which is enough for a machine that boots for a minute."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import h11
import msgspec

from trivet.drivers.contracts.errors import DriverError

Json = Any
VERSION = "1.109"
_ANSWER_S = 60.0
_CHUNK = 1 << 18
_BODY_MAX = 64 << 20
_LOCKED_TRIES = 30
_LOCKED_S = 1.0
"""Whoever is at work on a machine has it locked; who asks then is told to come again."""


class Ironic(Protocol):
    """What is needed of it; a test may have another one."""

    async def call(self, method: str, path: str, body: Json = None) -> Json:
        """DriverError where it says no: for good if what was asked is wrong, for now if it is busy or away."""
        ...


class Refused(DriverError):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(
            f"The engine for physical machines refused: {why}", again=status in (409, 429) or status >= 500
        )
        self.status = status


class HttpIronic:
    def __init__(self, url: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        """`headers`: by which the engine knows who we are."""
        parts = urlsplit(url)
        self._headers = list(headers)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6385
        self._path = parts.path.rstrip("/")

    async def call(self, method: str, path: str, body: Json = None) -> Json:
        content = b"" if body is None else msgspec.json.encode(body)
        for _ in range(_LOCKED_TRIES):
            status, answer = await self._asked(method, self._path + path, content)
            if status != 409:
                break
            await asyncio.sleep(_LOCKED_S)
        if status >= 300:
            raise Refused(status, _reason(answer) or str(status))
        return msgspec.json.decode(answer) if answer else {}

    async def _asked(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._exchange(method, path, content)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            raise DriverError("The engine for physical machines does not answer.", again=True) from error

    async def _exchange(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            state = h11.Connection(h11.CLIENT)
            headers = [
                *self._headers,
                ("Host", f"{self._host}:{self._port}"),
                ("Connection", "close"),
                ("Accept", "application/json"),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(content))),
                ("X-OpenStack-Ironic-API-Version", VERSION),
            ]
            for event in (h11.Request(method=method, target=path, headers=headers), h11.Data(data=content)):
                writer.write(state.send(event) or b"")
            writer.write(state.send(h11.EndOfMessage()) or b"")
            await writer.drain()
            return await _read(state, reader)
        finally:
            writer.close()


async def _read(state: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, bytes]:
    status, found = 0, bytearray()
    while True:
        event = state.next_event()
        if event is h11.NEED_DATA:
            state.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            found += event.data
            if len(found) > _BODY_MAX:
                raise OSError("the answer is larger than anything we asked for")
        elif isinstance(event, h11.EndOfMessage) or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            return status, bytes(found)


def _reason(answer: bytes) -> str:
    """Out of {"error_message": {"faultstring": ...}}, which some releases write as a text within the text."""
    try:
        said = msgspec.json.decode(answer)["error_message"]
        said = msgspec.json.decode(said) if isinstance(said, str) else said
        return str(said["faultstring"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return ""
