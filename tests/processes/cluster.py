"""Several equal processes on one PostgreSQL behind a plain TCP balancer, as users would run them."""

import http.client
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.programs import PATIENCE_S, Program, clean, until

PASSWORD = "a password for tests"


class Member(Program):
    def __init__(self, folder: Path, name: str, database: str, public_url: str) -> None:
        data = folder / name
        data.mkdir()
        # As a shared file system would be mounted on every machine.
        (folder / "blobs").mkdir(exist_ok=True)
        (data / "blobs").symlink_to(folder / "blobs")
        (data / "secret").write_bytes(b"one secret, the same for every process")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        words = ["up", "--sim", "--data", str(data), "--listen", f"127.0.0.1:{self.port}", "--database", database]
        environment = clean() | {"TRIVET_ADMIN_PASSWORD": PASSWORD, "TRIVET_PUBLIC_URL": public_url}
        super().__init__(data / "out", data / "log", *words, environment=environment)


class Client:
    """A client that asks again when the connection breaks or it is told to, for as long as it takes, and never else."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""
        self.retries = 0

    def login_body(self) -> Any:
        user = {"name": "admin", "password": PASSWORD, "domain": {"id": "default"}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}

    def login(self) -> None:
        status, told, headers = self.call("POST", "/identity/v3/auth/tokens", self.login_body())
        assert status == 201, told
        self.token = headers["X-Subject-Token"]

    def call(self, method: str, path: str, body: Any = None, *, once: bool = False) -> tuple[int, Any, Any]:
        headers = {"Content-Type": "application/json", "X-Auth-Token": self.token}
        headers["OpenStack-API-Version"] = "compute 2.79, volume 3.71"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        end = time.monotonic() + (0 if once else PATIENCE_S)
        while True:
            try:
                status, raw, told = _answer(request)
            except OSError:
                if time.monotonic() >= end:
                    raise
            else:
                if status != 503 or time.monotonic() >= end:
                    return status, json.loads(raw) if raw[:1] in (b"{", b"[") else raw.decode() or None, told
            self.retries += 1
            time.sleep(0.2)


def _answer(request: urllib.request.Request) -> tuple[int, bytes, Any]:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers
    except http.client.HTTPException as error:
        # Killed between an answer's head and its body; the library does not call that an OSError.
        raise ConnectionError(repr(error)) from error


class Balancer:
    """haproxy in TCP mode: it knows nothing of HTTP, and tries the next process when one does not take the call."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._conf = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ports: list[int]) -> None:
        servers = "\n".join(f"  server s{port} 127.0.0.1:{port} check inter 200 fall 1 rise 1" for port in ports)
        self._conf.write_text(
            "defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n"
            # Who is dead refuses at once; who is slow to take the call is not dead.
            "  timeout check 10s\n  retries 3\n  option redispatch\n"
            f"listen api\n  bind 127.0.0.1:{self.port}\n  balance roundrobin\n{servers}\n"
        )
        with self._log.open("w") as log:
            command = ["haproxy", "-f", str(self._conf), "-db"]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("haproxy listens", self._listens, self._log.read_text)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
