"""Typing into a server's serial console through the cloud's own proxy, as a person with a websocket client would."""

import contextlib
import time
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.programs import PATIENCE_S


def type_into(url: str, command: str, until: str, seconds: float = PATIENCE_S) -> str:
    """What the console says from the command on, up to the first `until` behind it."""
    parts = urlsplit(url)
    said = ""
    with (
        contextlib.suppress(WebSocketException),
        connect(f"ws://{parts.netloc}{parts.path}?{parts.query}", open_timeout=PATIENCE_S) as socket,
    ):
        socket.send(b"\r")
        time.sleep(0.6)
        # The mark is put together by the shell, so its echo does not count as the answer.
        socket.send(f"{command}; echo END''-OF-IT\r".encode())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                data = socket.recv(timeout=1)
            except TimeoutError:
                continue
            said += data.decode(errors="replace") if isinstance(data, bytes) else data
            if until in said or "END-OF-IT" in said:
                break
    return said
