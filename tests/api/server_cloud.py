"""A cloud of compute alone, in memory or on PostgreSQL, and an agent that does at once whatever is wanted."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from trivet.api.compute.service import SERVICE
from trivet.api.kit.app import App
from trivet.clock import SystemClock
from trivet.domain import bootstrap, hosts, networks, reports, subnets
from trivet.domain.callers import Caller, expanded
from trivet.domain.flavors import FLAVORS, Flavor
from trivet.domain.images import IMAGES, Image
from trivet.domain.orders import Report
from trivet.domain.passwords import Passwords
from trivet.domain.servers import SERVERS, Server
from trivet.domain.signing_keys import generate
from trivet.domain.tokens import SigningKey, Tokens
from trivet.ids import SystemIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store
from trivet.store.tx import Tx
from trivet.store.where import Where

POWER = {"running": "running", "stopped": "stopped", "paused": "paused", "suspended": "suspended", "shelved": "stopped"}
MINE, THEIRS = "1" * 32, "2" * 32


class Skewed(SystemClock):
    added_s = 0.0

    def now(self) -> float:
        return super().now() + self.added_s


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.raw) if self.raw and "json" in self.headers.get("content-type", "") else None

    def ok(self) -> Any:
        assert self.status < 300, (self.status, self.body)
        return self.body

    def refused(self, status: int) -> str:
        assert self.status == status, (self.status, self.body)
        (fault,) = self.body.values()
        return str(fault["message"])


class Cloud:
    def __init__(self, database: str = "") -> None:
        self.clock = Skewed()
        ids = SystemIds()
        self.store: Store = (
            PostgresStore(database, self.clock, ids) if database else SqliteStore(":memory:", self.clock, ids)
        )
        self.parts = Parts(
            settings=Settings(),
            clock=self.clock,
            ids=ids,
            store=self.store,
            tokens=Tokens(self.clock),
            passwords=Passwords(),
            blobs=None,  # type: ignore[arg-type] # nothing here reads a blob
        )
        self.app = App(self.parts, [SERVICE])
        self.network_id = self.vm_image = self.container_image = ""
        self.failing = ""

    async def start(self) -> None:
        self.parts.tokens.use_keys(_key(), [])
        await self.store.open()
        await self.store.migrate()
        async with self.store.write() as tx:
            await bootstrap.first_start(tx, self.parts, "no password")
            for n in range(3):
                await self.add_host(tx, f"host{n}", vcpus=4)
            for name, disk_gib in (("tiny", 1), ("large", 20)):
                flavor = Flavor(
                    id=name, name=f"m1.{name}", vcpus=disk_gib, ram_mib=512, disk_gib=disk_gib, created_at=0.0
                )
                await tx.insert(FLAVORS, flavor)
            self.vm_image = await self.add_image(tx, "cirros", "qcow2", "bare")
            self.container_image = await self.add_image(tx, "shell", "oci", "docker")
            self.network_id = await self.add_network(tx, "blue", "10.0.0.0/24")

    async def add_host(self, tx: Tx, name: str, *, vcpus: int, zone: str | None = None) -> None:
        now = self.clock.now()
        host = hosts.Host(
            id=self.parts.ids.uuid(), name=name, kinds=("vm", "container"), vcpus=vcpus, memory_mib=65536,
            disk_gib=1000, hypervisor_type="sim", created_at=now, updated_at=now, agent_seen_at=now, zone=zone,
        )  # fmt: skip
        await hosts.register(tx, host)

    async def add_image(self, tx: Tx, name: str, disk_format: str, container_format: str, **words: Any) -> str:
        image = Image(
            id=self.parts.ids.uuid(), project_id=MINE, name=name, visibility="public", disk_format=disk_format,
            container_format=container_format, size=1 << 20, blob_key=name,
        )  # fmt: skip
        image = msgspec.structs.replace(image, **({"status": "active"} | words))
        await tx.insert(IMAGES, image)
        return image.id

    async def add_network(self, tx: Tx, name: str, cidr: str, project_id: str = MINE) -> str:
        owner = caller_of(project_id)
        network = await networks.create(tx, owner, networks.NetworkCreate(name=name))
        await subnets.create(tx, owner, subnets.SubnetCreate(network_id=network.id, cidr=cidr, ip_version=4))
        return network.id

    # -- the agent

    async def settle(self) -> None:
        """Everything that is wanted is so."""
        async with self.store.write() as tx:
            for server in await tx.select(SERVERS, Where().add("deleted_at IS NULL AND host_id IS NOT NULL")):
                await reports.settle(tx, self._report(server))

    def _report(self, server: Server) -> Report:
        flavor = server.flavor
        assert server.host_id is not None
        return Report(
            server_id=server.id,
            host_id=server.host_id,
            revision=server.revision,
            power=None if server.want == "gone" else POWER[server.want],  # type: ignore[arg-type] # as drivers spell it
            boots=server.boots,
            builds=server.builds,
            shape=f"{flavor.vcpus}/{flavor.ram_mib}/{flavor.disk_gib}",
            snapshot_image_id=server.snapshot_image_id,
            error=self.failing or None,
        )

    # -- clients

    def token(self, role: str = "member", project_id: str | None = MINE, user_id: str = "wei", **how: Any) -> str:
        return self.parts.tokens.issue(caller_of(project_id, role, user_id, **how))

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str = "2.104",
        token: str | None = None,
        **query: Any,
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        path, _, said = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/compute/v2.1{path}",
            "scheme": "http",
            "query_string": (urlencode(query, doseq=True) if query else said).encode(),
            "headers": [
                (b"host", b"cloud:8774"),
                (b"x-auth-token", (token or self.token()).encode()),
                (b"openstack-api-version", f"compute {version}".encode()),
            ],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))

    async def create(self, **server: Any) -> Answer:
        """With the fewest words that make a server, and those of the test."""
        how = {name: server.pop(name) for name in ("version", "token") if name in server}
        hints = server.pop("hints", None)
        said = {"name": "one", "imageRef": self.vm_image, "flavorRef": "tiny", "networks": "auto"} | server
        body: dict[str, Any] = {"server": {name: value for name, value in said.items() if value is not ...}}
        if hints is not None:
            body["os:scheduler_hints"] = hints
        return await self.call("POST", "/servers", body, **how)

    async def made(self, **server: Any) -> str:
        """A server that is up."""
        id = str((await self.create(**server)).ok()["server"]["id"])
        await self.settle()
        return id

    async def show(self, id: str, **how: Any) -> Any:
        return (await self.call("GET", f"/servers/{id}", **how)).ok()["server"]

    async def act(self, id: str, action: str, said: Any = None, **how: Any) -> Answer:
        return await self.call("POST", f"/servers/{id}/action", {action: said}, **how)

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.store.read() as tx:
            return [tuple(row) for row in await tx.rows(sql, *values)]


def caller_of(project_id: str | None, role: str = "member", user_id: str = "wei", **how: Any) -> Caller:
    return Caller(
        user_id=user_id, roles=expanded((role,)), project_id=project_id, audit_id="a", issued_at=1.0,
        ends_at=9e9, **how,
    )  # fmt: skip


_KEYS: list[SigningKey] = []


def _key() -> SigningKey:
    if not _KEYS:
        _KEYS.append(generate("test"))
    return _KEYS[0]


@asynccontextmanager
async def compute_cloud(database: str = "") -> AsyncIterator[Cloud]:
    cloud = Cloud(database)
    await cloud.start()
    try:
        yield cloud
    finally:
        cloud.parts.passwords.close()
        await cloud.store.close()
