"""The HTTP server: uvicorn's own protocol, with our exchanges in it and the bounds that it leaves to a proxy.

A client may not send headers without end, nor dawdle over them. Both are refused by closing the
connection after a plain answer, since nothing of the request is known yet.
"""

import asyncio
from collections import deque
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trivet.api.kit.exchange import Exchange, Header

_HEAD_BYTES_MAX = 64 * 1024
_HEAD_COUNT_MAX = 200
_HEAD_WAIT_S = 20.0
_LAST_BODY_S = 0.5
"""How long a request that is still arriving when the server stops may go on doing so."""
_REFUSAL = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_begun = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._waiting: deque[Exchange] = deque()

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn narrows what asyncio declares
        self._head_timer = self.loop.call_later(_HEAD_WAIT_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_done()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        if not self.transport.is_closing() and self.cycle.more_body:
            self.loop.call_later(_LAST_BODY_S, self._cut_arriving)

    def _cut_arriving(self) -> None:
        """Nothing of it was done, and its client would keep us: let it come back to another process."""
        if self.cycle.more_body and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.close()

    # -- heads

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            return
        if self._head_bytes > _HEAD_BYTES_MAX:
            self._refuse(b"431 Request Header Fields Too Large", b"The request's headers are too large.")
        elif self._head_begun and self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_WAIT_S, self._too_slow)

    def on_message_begin(self) -> None:
        self._in_head = self._head_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_done()
        if len(self.headers) > _HEAD_COUNT_MAX:
            self._refuse(b"431 Request Header Fields Too Large", b"The request has too many headers.")
            return
        version = self.parser.get_http_version()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["query_string"] = url.query or b""
        self._exchange(keep_alive=version != "1.0" and self.parser.should_keep_alive())

    def _head_done(self) -> None:
        self._in_head = self._head_begun = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # -- exchanges, one after the other

    def _exchange(self, *, keep_alive: bool) -> None:
        waits = self.cycle is not None and not self.cycle.response_complete
        scope: Any = self.scope
        exchange = Exchange(self, scope, keep_alive=keep_alive, expects_100=self.expect_100_continue)
        self.cycle = exchange  # type: ignore[assignment] # of what uvicorn calls a cycle, it has all that is asked
        if waits:
            self.flow.pause_reading()
            self._waiting.append(exchange)
        else:
            self._run(exchange)

    def _run(self, exchange: Exchange) -> None:
        exchange.task = self.loop.create_task(exchange.run(self.app))
        self.tasks.add(exchange.task)

    @property
    def always_said(self) -> list[Header]:
        return self.server_state.default_headers

    def left(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)

    def answered(self) -> None:
        """The next one may begin; if there is none, the connection is idle, for so long."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._waiting:
            self._run(self._waiting.popleft())
            return
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._idle)

    def _idle(self) -> None:
        """One timer a connection, not one a request: it looks how long ago the last answer was."""
        self._idle_timer = None
        if self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if not self.cycle.response_complete or self._in_head:
            left = self.timeout_keep_alive
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._idle)
        else:
            self.transport.close()

    # -- refusals

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", msg.encode("ascii"))

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
