"""One request on a connection and its answer: what ASGI calls receive and send, spelled as HTTP.

A head that announces a length waits for the first of its body, and both leave in one write: a process that is
killed leaves no client with a head alone, and the client wakes up once.
"""

import asyncio
import http
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from trivet.api.kit.app import Receive, Scope, Send

Header = tuple[bytes, bytes]


class AsgiApp(Protocol):
    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...


class Connection(Protocol):
    transport: asyncio.Transport
    flow: FlowControl

    @property
    def always_said(self) -> list[Header]: ...
    def answered(self) -> None: ...
    def left(self, task: "asyncio.Task[None]") -> None: ...


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


_STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}
_BODYLESS = (204, 304)


class Exchange:
    """uvicorn's protocol feeds `body` and sets `message_event`; the application reads and answers."""

    __slots__ = (
        "_chunked",
        "_connection",
        "_head",
        "_left",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "task",
        "waiting_for_100_continue",
    )

    def __init__(self, connection: Connection, scope: Scope, *, keep_alive: bool, expects_100: bool) -> None:
        self._connection = connection
        self.scope = scope
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_100
        self.body = bytearray()
        self.more_body = True
        self.message_event = asyncio.Event()
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.task: asyncio.Task[None] | None = None
        self._head = b""
        """What is said already and not yet written."""
        self._left: int | None = None
        """How much of the announced body is still to come."""
        self._chunked = False

    async def run(self, app: AsgiApp) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        finally:
            if not self.response_complete:
                # It broke off, or may not go on because the server stops.
                self._connection.transport.close()
            if self.task is not None:
                self._connection.left(self.task)

    async def receive(self) -> dict[str, Any]:
        if self.waiting_for_100_continue and not self._connection.transport.is_closing():
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self._connection.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: dict[str, Any]) -> None:
        flow = self._connection.flow
        if flow.write_paused and not self.disconnected:
            await flow.drain()
        if self.disconnected:
            return
        if self.response_started:
            self._go_on(message.get("body", b""), more=message.get("more_body", False))
        else:
            self._begin(message["status"], message["headers"])

    def _begin(self, status: int, headers: list[Header]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        bodyless = self.scope["method"] == "HEAD" or status in _BODYLESS
        lines = [_STATUS_LINES[status]]
        said = self._connection.always_said + headers
        closing = False
        for name, value in said:
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection":
                closing = True
                self.keep_alive = self.keep_alive and value != b"close"
            lines += (name, b": ", value, b"\r\n")
        count = len(said)
        if self._left is None and not bodyless:
            self._chunked = self.scope["http_version"] == "1.1"
            self.keep_alive = self.keep_alive and self._chunked
            if self._chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
                count += 1
        if not self.keep_alive and not closing:
            lines.append(b"connection: close\r\n")
            count += 1
        lines.append(b"\r\n")
        head = b"".join(lines)
        # Whatever went into a header, it cannot have ended its line.
        assert head.count(b"\n") == head.count(b"\r") == count + 2 and b"\0" not in head, "a header of two lines"
        if bodyless:
            self._left = 0
        if self._left is None:
            self._connection.transport.write(head)
        else:
            self._head = head

    def _go_on(self, body: bytes, *, more: bool) -> None:
        assert not self.response_complete, "an answer goes on after its end"
        if self._left is not None:
            self._left -= len(body)
            assert self._left >= 0, "a body longer than announced"
            assert more or self._left == 0, "a body shorter than announced"
        if self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        if self._head or body:
            self._connection.transport.write(self._head + body if self._head else body)
            self._head = b""
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self._connection.transport.close()
            self._connection.answered()
