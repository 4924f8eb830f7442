"""The HTTP server: uvicorn's own protocol, with the two bounds it leaves to a proxy.

A client may not send headers without end, nor dawdle over them. Both are refused by closing the
connection after a plain answer, since nothing of the request is known yet.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BYTES_MAX = 64 * 1024
_HEAD_COUNT_MAX = 200
_HEAD_WAIT_S = 20.0
_REFUSAL = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_begun = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn narrows what asyncio declares
        self._head_timer = self.loop.call_later(_HEAD_WAIT_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > _HEAD_BYTES_MAX:
            self._refuse(b"431 Request Header Fields Too Large", b"The request's headers are too large.")

    def on_message_begin(self) -> None:
        self._in_head = self._head_begun = True
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_WAIT_S, self._too_slow)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_done()
        if len(self.headers) > _HEAD_COUNT_MAX:
            self._refuse(b"431 Request Header Fields Too Large", b"The request has too many headers.")
            return
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", msg.encode("ascii"))

    def _head_done(self) -> None:
        self._in_head = self._head_begun = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._head_begun:
            self._refuse(b"408 Request Timeout", b"The request's headers did not arrive in time.")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: bytes, sentence: bytes) -> None:
        self._head_done()
        if self.transport.is_closing():
            return
        body = b'{"error": {"code": %s, "message": "%s"}}' % (status[:3], sentence)
        self.transport.write(_REFUSAL % (status, len(body), body))
        self.transport.close()
