"""A tenant's receiver of webhooks, beside the lab, which keeps what it was told and when."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Told(NamedTuple):
    at: float
    headers: dict[str, str]
    raw: bytes
    body: Any


class Receiver:
    def __init__(self, address: str) -> None:
        told: list[Told] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                told.append(Told(time.monotonic(), headers, raw, json.loads(raw)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.told = told
        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_address[1]}/alarms"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, event: str, object_type: str) -> list[Told]:
        return [
            told
            for told in list(self.told)
            if told.body["type"] == f"trivet.alarm.{event}"
            and told.body["data"]["managed_object"]["type"] == object_type
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
