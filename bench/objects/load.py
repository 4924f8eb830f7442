"""Puts, gets and deletes over Swift's API, and how much processor time the server took for each.

    python -m bench.objects.load URL TOKEN PID[,PID...]

URL is an account's. Client and server share the machine, so that rates say little; compare the processor time of two
servers in one run. Plain sockets keep the client cheap.
"""

import http.client
import os
import sys
import threading
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
SIZES = ((1 << 10, 1000, 4), (1 << 20, 100, 4), (100 << 20, 4, 1))
"""Bytes, how many of them, by how many clients."""


@dataclass
class Server:
    url: str
    token: str
    pids: list[int]

    def cpu_s(self) -> float:
        total = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICK

    def connect(self) -> http.client.HTTPConnection:
        there = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(there.hostname or "", there.port)
        connection.connect()
        connection.sock.setsockopt(6, 1, 1)
        return connection

    def ask(self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> None:
        path = urllib.parse.urlsplit(self.url).path + path
        connection.request(method, path, body=body, headers={"X-Auth-Token": self.token})
        answer = connection.getresponse()
        while answer.read(1 << 20):
            pass
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {answer.reason}")


def measure(server: Server, method: str, size: int, count: int, clients: int) -> float:
    """Milliseconds of the server's processor time for one."""
    body = os.urandom(min(size, 1 << 20)) * max(1, size >> 20) if method == "PUT" else None
    left, lock = list(range(count)), threading.Lock()

    def work() -> None:
        connection = server.connect()
        while True:
            with lock:
                if not left:
                    return
                number = left.pop()
            server.ask(connection, method, f"/load/{size}-{number}", body)

    before = server.cpu_s()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1000 * (server.cpu_s() - before) / count


def run(server: Server) -> dict[str, float]:
    server.ask(server.connect(), "PUT", "/load")
    found = {}
    for size, count, clients in SIZES:
        for method in ("PUT", "GET", "DELETE"):
            found[f"{method} {size}"] = measure(server, method, size, count, clients)
    return found


if __name__ == "__main__":
    for what, spent_ms in run(Server(sys.argv[1], sys.argv[2], [int(pid) for pid in sys.argv[3].split(",")])).items():
        print(f"{what:16} {spent_ms:8.3f} ms")
