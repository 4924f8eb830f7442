"""A client made of one socket, for tests of what goes over the wire itself."""

import contextlib
import json
import socket

from tests.programs import PATIENCE_S
from trivet.testing import SimCloud

GET = b"GET /identity/v3 HTTP/1.1\r\nHost: cloud\r\n\r\n"
LOGIN = json.dumps({"auth": {"identity": {"methods": ["password"]}}}).encode()
_DATA_SEGMENTS_IN = slice(152, 156)
"""Where struct tcp_info keeps how many segments with data came in."""


class Wire:
    def __init__(self, cloud: SimCloud) -> None:
        host, _, port = cloud.settings.listen.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), PATIENCE_S)
        self._rest = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def shut(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def send_while_heard(self, data: bytes) -> None:
        """Until the server has had enough."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def answer(self, *, bodyless: bool = False) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next answer."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:") and not bodyless:
                length = int(line.partition(b":")[2])
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(head.split(b" ", 2)[1]), head, body

    def segments(self) -> int:
        """How many pieces have come so far: on a loopback, one for each write of the server."""
        told = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int.from_bytes(told[_DATA_SEGMENTS_IN], "little")

    def _more(self) -> None:
        data = self._socket.recv(65536)
        assert data, f"closed after {self._rest!r}"
        self._rest += data

    def closes(self) -> bool:
        """What still comes is of no interest."""
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


def post(body: bytes, *lines: bytes) -> bytes:
    head = [b"POST /identity/v3/auth/tokens HTTP/1.1", b"Host: cloud", b"Content-Type: application/json", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body
