"""One real process with simulated hosts, and what can be asked of it from outside."""

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.processes.cluster import PASSWORD, Client
from tests.programs import PATIENCE_S, Program, clean, until

COMPUTE = "/compute/v2.1"


class Alone(Program):
    def __init__(self, data: Path, logs: Path, database: str = "", workers: int = 1) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        words = ["up", "--sim", "--data", str(data), "--listen", f"127.0.0.1:{port}"]
        if workers > 1:
            words += ["--workers", str(workers)]
        if database:
            words += ["--database", database]
        environment = clean() | {"TRIVET_ADMIN_PASSWORD": PASSWORD}
        super().__init__(logs / "out", logs / "log", *words, environment=environment)

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
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/octet-stream"}
        url = f"{self.url}/image/v2/images/{made['id']}/file"
        sent = urllib.request.Request(url, b"\0" * 4096, headers, method="PUT")
        with urllib.request.urlopen(sent, timeout=PATIENCE_S) as reply:
            assert reply.status == 204
        id: str = made["id"]
        return id

    def network(self) -> str:
        made = self.ok("POST", "/network/v2.0/networks", {"network": {"name": "n"}})["network"]
        subnet = {"network_id": made["id"], "ip_version": 4, "cidr": "10.3.0.0/16"}
        self.ok("POST", "/network/v2.0/subnets", {"subnet": subnet})
        id: str = made["id"]
        return id

    def create(self, name: str, image: str, network: str | None, *, once: bool = False) -> tuple[int, Any]:
        networks: Any = [{"uuid": network}] if network else "none"
        server = {"name": name, "imageRef": image, "flavorRef": "42", "networks": networks}
        status, told, _ = self.call("POST", f"{COMPUTE}/servers", {"server": server}, once=once)
        return status, told

    def servers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ok("GET", f"{COMPUTE}/servers/detail?limit=1000")["servers"]
        return found

    def delete(self, id: str) -> None:
        status, told, _ = self.call("DELETE", f"{COMPUTE}/servers/{id}")
        # A first try may have been carried out before its connection broke.
        assert status in (204, 404), told

    def until(self, what: str, check: Callable[[], Any]) -> None:
        until(what, check, self.servers, pause_s=0.2)

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
