"""Plain HTTP, answered with the way to the API's TLS and with nothing else.

Where it leads is what the settings say, never what the client says of itself.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_HEAD_MAX = 16 * 1024
_WAIT_S = 10.0
_TARGET = re.compile(rb"[A-Z]{1,16} (/[!-~]*) HTTP/1\.[01]\r\n")


@asynccontextmanager
async def redirecting(door: socket.socket, url: str) -> AsyncIterator[None]:
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_WAIT_S):
                writer.write(_said(await reader.readuntil(b"\r\n\r\n"), origin))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, sock=door, limit=_HEAD_MAX)
    try:
        yield
    finally:
        server.close()


def _said(head: bytes, origin: str) -> bytes:
    """308: the client says the same again there, method and body included."""
    asked = _TARGET.match(head)
    if asked is None:
        return b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    return (
        b"HTTP/1.1 308 Permanent Redirect\r\nlocation: " + origin.encode() + asked[1]
        + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )  # fmt: skip
