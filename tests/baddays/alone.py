"""One real process with simulated hosts, and what can be asked of it from outside."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.processes.cluster import BIN, PASSWORD, READY_S, Client, free_port

COMPUTE = "/compute/v2.1"
WAIT_S = 120.0


class Alone:
    def __init__(self, data: Path, logs: Path, database: str = "") -> None:
        self.data = data
        self._logs = logs
        self._database = database
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        environment = os.environ | {"TRIVET_ADMIN_PASSWORD": PASSWORD}
        words = ["up", "--sim", "--data", str(self.data), "--listen", f"127.0.0.1:{self._port}"]
        if self._database:
            words += ["--database", self._database]
        said = self._logs / "out"
        with said.open("w") as out, (self._logs / "log").open("a") as log:
            self.process = subprocess.Popen([str(BIN / "trivet"), *words], env=environment, stdout=out, stderr=log)
        end = time.monotonic() + READY_S
        while "ready" not in said.read_text():
            assert self.process.poll() is None and time.monotonic() < end, self.log()[-4000:]
            time.sleep(0.02)

    def log(self) -> str:
        return (self._logs / "log").read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def client(self) -> "Tenant":
        client = Tenant(self.url)
        client.login()
        return client


class Tenant(Client):
    """Speaks of servers."""

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        status, told, _ = self.call(method, path, body)
        assert status < 300, (method, path, status, told)
        return told

    def image(self) -> str:
        made = self.ok("POST", "/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})
        import urllib.request  # noqa: PLC0415 - only here bytes are sent

        headers = {"X-Auth-Token": self.token, "Content-Type": "application/octet-stream"}
        url = f"{self.url}/image/v2/images/{made['id']}/file"
        with urllib.request.urlopen(urllib.request.Request(url, b"\0" * 4096, headers, method="PUT"), timeout=30) as to:
            assert to.status == 204
        id: str = made["id"]
        return id

    def network(self) -> str:
        made = self.ok("POST", "/network/v2.0/networks", {"network": {"name": "n"}})["network"]
        subnet = {"network_id": made["id"], "ip_version": 4, "cidr": "10.3.0.0/16"}
        self.ok("POST", "/network/v2.0/subnets", {"subnet": subnet})
        id: str = made["id"]
        return id

    def create(self, name: str, image: str, network: str | None, tries: int = 20) -> tuple[int, Any]:
        networks: Any = [{"uuid": network}] if network else "none"
        server = {"name": name, "imageRef": image, "flavorRef": "42", "networks": networks}
        status, told, _ = self.call("POST", f"{COMPUTE}/servers", {"server": server}, tries)
        return status, told

    def servers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ok("GET", f"{COMPUTE}/servers/detail?limit=1000")["servers"]
        return found

    def delete(self, id: str) -> None:
        status, told, _ = self.call("DELETE", f"{COMPUTE}/servers/{id}")
        # A first try may have been carried out before its connection broke.
        assert status in (204, 404), told

    def until(self, what: str, check: Callable[[], Any], seconds: float = WAIT_S) -> None:
        end = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < end, what
            time.sleep(0.2)

    def books_balance(self) -> None:
        """Claims, quota and ports are those of the servers that are there, and no others."""
        there = self.servers()
        flavor = self.ok("GET", f"{COMPUTE}/flavors/42")["flavor"]
        claimed: dict[str, int] = {}
        owners: set[str] = set()
        for provider in self.ok("GET", "/placement/resource_providers")["resource_providers"]:
            path = f"/placement/resource_providers/{provider['uuid']}"
            owners |= set(self.ok("GET", f"{path}/allocations")["allocations"])
            for name, used in self.ok("GET", f"{path}/usages")["usages"].items():
                claimed[name] = claimed.get(name, 0) + used
        assert owners == {server["id"] for server in there}
        assert claimed.get("VCPU", 0) == len(there) * flavor["vcpus"]
        assert claimed.get("MEMORY_MB", 0) == len(there) * flavor["ram"]
        used = self.ok("GET", f"{COMPUTE}/limits")["limits"]["absolute"]
        assert used["totalInstancesUsed"] == len(there)
        assert used["totalCoresUsed"] == len(there) * flavor["vcpus"]
        ports = self.ok("GET", "/network/v2.0/ports?limit=1000")["ports"]
        plugged = [port["device_id"] for port in ports if port["device_owner"].startswith("compute:")]
        assert sorted(plugged) == sorted(server["id"] for server in there if server["addresses"])
