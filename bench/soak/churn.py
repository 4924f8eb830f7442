"""What clients do to a cloud all day: make, change, list and remove, be refused, and break off in the middle.

Everything that an act makes it removes again, now or some acts later, so whatever grows over the hours is ours.
"""

import http.client
import json
import random
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

COMPUTE, NETWORK, IMAGE, IDENTITY = "/compute/v2.1", "/network/v2.0", "/image/v2", "/identity/v3"
_PATIENCE_S = 60.0
_AWAY_S = 0.5


class Client:
    """One connection of one user, as raw as a client can be."""

    def __init__(self, port: int, password: str, seed: int) -> None:
        self.port = port
        self.chance = random.Random(seed)  # noqa: S311 - which act comes next is no secret
        self.answers: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.odd: deque[str] = deque(maxlen=50)
        self.token = ""
        self._password = password
        self._connection: http.client.HTTPConnection | None = None

    def login(self, user: str = "admin", password: str | None = None) -> int:
        who = {"name": user, "password": password or self._password, "domain": {"id": "default"}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}}
        status, _ = self.call("POST", f"{IDENTITY}/auth/tokens", body)
        return status

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """(status, what was said); status 0 where there was no answer."""
        said = {"X-Auth-Token": self.token, "OpenStack-API-Version": "compute 2.79"} | (headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            said.setdefault("Content-Type", "application/json")
        began = time.monotonic()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
            self._connection.request(method, path, body, said)
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            self.answers[type(error).__name__] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            return 0, None
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.answers[str(answer.status)] += 1
        if answer.status >= 500:
            self.odd.append(f"{method} {path} {answer.status} {raw[:300]!r}")
        if answer.status == 201 and (token := answer.getheader("X-Subject-Token")):
            self.token = token
        return answer.status, json.loads(raw) if raw[:1] in (b"{", b"[") else raw

    def made(self, path: str, noun: str, **body: Any) -> str | None:
        status, told = self.call("POST", path, {noun: body})
        return str(told[noun]["id"]) if status in (200, 201, 202) else None

    def break_off(self, head: str, body: bytes, announced: int) -> None:
        """Say less than was announced, then go; or go before the answer."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as raw:
            raw.sendall(
                f"{head} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {self.token}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {announced}\r\n\r\n".encode()
                + body
            )
            time.sleep(self.chance.random() * 0.05)
        self.answers["broken off"] += 1


class Churn:
    """One client's day. At most `kept` servers and as many images of his exist at a time."""

    def __init__(self, client: Client, name: str, kept: int = 8) -> None:
        self._client = client
        self._name = name
        self._kept = kept
        self._servers: deque[str] = deque()
        self._images: deque[str] = deque()
        self._base: tuple[str, str] | None = None
        self._count = 0

    def act(self) -> None:
        if not self._client.token or self._base is None:
            self._begin()
            return
        self._count += 1
        doing: Callable[[], None] = self._client.chance.choice(_ACTS).__get__(self)
        doing()

    def end(self) -> None:
        while self._servers:
            self._client.call("DELETE", f"{COMPUTE}/servers/{self._servers.popleft()}")
        while self._images:
            self._client.call("DELETE", f"{IMAGE}/images/{self._images.popleft()}")

    def _begin(self) -> None:
        if self._client.login() != 201:
            time.sleep(_AWAY_S)
            return
        if self._base is None:
            image = self._image(self._name)
            network = self._client.made(f"{NETWORK}/networks", "network", name=self._name)
            if image and network:
                cidr = f"10.{self._client.chance.randrange(200)}.0.0/16"
                self._client.made(f"{NETWORK}/subnets", "subnet", network_id=network, ip_version=4, cidr=cidr)
                self._base = image, network

    def _image(self, name: str) -> str | None:
        wanted = {"name": name, "disk_format": "raw", "container_format": "bare", "tags": ["soak"]}
        status, told = self._client.call("POST", f"{IMAGE}/images", wanted)
        if status != 201:
            return None
        data = self._client.chance.randbytes(self._client.chance.choice((512, 40_000, 400_000)))
        self._client.call(
            "PUT", f"{IMAGE}/images/{told['id']}/file", data, {"Content-Type": "application/octet-stream"}
        )
        return str(told["id"])

    # -- acts

    def _server(self) -> None:
        assert self._base is not None
        image, network = self._base
        wanted = {"imageRef": image, "flavorRef": "42", "networks": [{"uuid": network}], "metadata": {"k": "v"}}
        id = self._client.made(f"{COMPUTE}/servers", "server", name=f"{self._name}-{self._count}", **wanted)
        if id is not None:
            self._servers.append(id)
        if len(self._servers) > self._kept:
            self._client.call("DELETE", f"{COMPUTE}/servers/{self._servers.popleft()}")

    def _action(self) -> None:
        if self._servers:
            id = self._client.chance.choice(self._servers)
            what = self._client.chance.choice(("os-stop", "os-start", "lock", "unlock", "os-getConsoleOutput"))
            self._client.call("POST", f"{COMPUTE}/servers/{id}/action", {what: {} if "get" in what else None})
            self._client.call("POST", f"{COMPUTE}/servers/{id}/action", {"reboot": {"type": "HARD"}})

    def _console(self) -> None:
        if self._servers:
            wanted = {"remote_console": {"protocol": "serial", "type": "serial"}}
            self._client.call("POST", f"{COMPUTE}/servers/{self._servers[-1]}/remote-consoles", wanted)

    def _port(self) -> None:
        assert self._base is not None
        id = self._client.made(f"{NETWORK}/ports", "port", network_id=self._base[1], name="p")
        if id is not None:
            self._client.call("PUT", f"{NETWORK}/ports/{id}", {"port": {"name": "q"}})
            self._client.call("PUT", f"{NETWORK}/ports/{id}/tags/t")
            self._client.call("DELETE", f"{NETWORK}/ports/{id}")

    def _network(self) -> None:
        id = self._client.made(f"{NETWORK}/networks", "network", name="n")
        if id is not None:
            self._client.made(f"{NETWORK}/subnets", "subnet", network_id=id, ip_version=4, cidr="10.201.0.0/24")
            self._client.made(f"{NETWORK}/ports", "port", network_id=id)
            self._client.call("DELETE", f"{NETWORK}/networks/{id}")
            for port in (self._client.call("GET", f"{NETWORK}/ports?network_id={id}")[1] or {}).get("ports", []):
                self._client.call("DELETE", f"{NETWORK}/ports/{port['id']}")
            self._client.call("DELETE", f"{NETWORK}/networks/{id}")

    def _security_group(self) -> None:
        id = self._client.made(f"{NETWORK}/security-groups", "security_group", name="g")
        if id is not None:
            rule = {"security_group_id": id, "direction": "ingress", "protocol": "tcp"}
            self._client.made(f"{NETWORK}/security-group-rules", "security_group_rule", **rule)
            self._client.call("DELETE", f"{NETWORK}/security-groups/{id}")

    def _an_image(self) -> None:
        id = self._image("i")
        if id is not None:
            self._images.append(id)
        if len(self._images) > self._kept:
            self._client.call("DELETE", f"{IMAGE}/images/{self._images.popleft()}")

    def _project(self) -> None:
        """A project and a user for one job, as CI systems make them."""
        name = f"{self._name}-{self._count}"
        project = self._client.made(f"{IDENTITY}/projects", "project", name=name)
        user = self._client.made(f"{IDENTITY}/users", "user", name=name, password="of this job")  # noqa: S106
        if project and user:
            self._client.call("GET", f"{COMPUTE}/os-quota-sets/{project}")
            wanted = {"project_id": project, "name": "his"}
            group = self._client.made(f"{NETWORK}/security-groups", "security_group", **wanted)
            self._client.call("DELETE", f"{NETWORK}/security-groups/{group}")
            keypair = {"name": "k", "user_id": user, "public_key": _PUBLIC_KEY, "type": "ssh"}
            self._client.call("POST", f"{COMPUTE}/os-keypairs", {"keypair": keypair})
            self._client.call("DELETE", f"{COMPUTE}/os-keypairs/k?user_id={user}")
            self._client.call("DELETE", f"{IDENTITY}/users/{user}")
            self._client.call("DELETE", f"{IDENTITY}/projects/{project}")

    def _token(self) -> None:
        old = self._client.token
        if self._client.login() == 201:
            self._client.call("DELETE", f"{IDENTITY}/auth/tokens", headers={"X-Subject-Token": old})

    def _lists(self) -> None:
        for path in (f"{COMPUTE}/servers/detail", f"{NETWORK}/ports", f"{IMAGE}/images", f"{COMPUTE}/limits"):
            if self._client.call("GET", path)[0] == 401:
                self._client.token = ""
                return

    def _refused(self) -> None:
        self._client.call("POST", f"{COMPUTE}/servers", {"server": {"name": 7}})
        self._client.call("GET", f"{COMPUTE}/servers/absent")
        self._client.call("GET", f"{NETWORK}/nothing/here")
        self._client.call("GET", f"{COMPUTE}/servers", headers={"X-Auth-Token": f"not.a.{self._count}"})
        self._client.login("admin", "wrong")

    def _break_off(self) -> None:
        whole = json.dumps({"network": {"name": "cut"}}).encode()
        self._client.break_off(f"POST {NETWORK}/networks", whole[:5], len(whole))
        self._client.break_off(f"GET {COMPUTE}/servers/detail", b"", 0)
        status, told = self._client.call("POST", f"{IMAGE}/images", {"name": "cut"})
        if status == 201:
            self._client.break_off(f"PUT {IMAGE}/images/{told['id']}/file", b"\0" * 5000, 100_000)
            self._client.call("DELETE", f"{IMAGE}/images/{told['id']}")


_PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJCvBvbS0O2x1VJq3kWJwC6LJj1o4fyLZLs6n5b0b8aH soak"
_ACTS = (
    Churn._server, Churn._server, Churn._server, Churn._action, Churn._action, Churn._console, Churn._port,
    Churn._network, Churn._security_group, Churn._an_image, Churn._project, Churn._token, Churn._lists,
    Churn._refused, Churn._break_off,
)  # fmt: skip
