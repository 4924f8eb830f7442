"""A cloud of compute alone, in memory or on PostgreSQL, and an agent that does at once whatever is wanted."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.api.one_service import MINE, Answer, OneService, Skewed, ask, caller_of, store_on

from trivet.api.compute.service import SERVICE
from trivet.domain import seeds
from trivet.domain.hosts import hosts
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.network.nets import networks, subnets
from trivet.domain.servers import state as reports
from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.domain.servers.orders import Report, rescue_mark
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.servers.shelving import OFFLOADING
from trivet.domain.servers.topology import inside
from trivet.drivers.contracts.machine import shape
from trivet.process import offers, services
from trivet.store.tx import Tx
from trivet.store.where import Where

POWER = {"running": "running", "stopped": "stopped", "paused": "paused", "suspended": "suspended", "shelved": "stopped"}


class Cloud(OneService):
    def __init__(self, database: str = "", **parts: Any) -> None:
        self.clock = Skewed()
        super().__init__(SERVICE, store_on(database, self.clock), **parts)
        self.network_id = self.vm_image = self.container_image = ""
        self.failing = ""

    async def fill(self) -> None:
        async with self.store.write() as tx:
            await seeds.start(tx, self.parts, "no password", offers(services()))
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
            power=None if "gone" in (server.want, "gone" if server.task == OFFLOADING else "") else POWER[server.want],  # type: ignore[arg-type] # as drivers spell it
            boots=server.boots,
            builds=server.builds,
            shape=shape(
                flavor.vcpus,
                flavor.ram_mib,
                flavor.disk_gib,
                server.local_disks,
                inside=inside.name_of(flavor, server.properties),
                cpus=flavor.cpus,
            ),
            snapshot_image_id=server.snapshot_image_id,
            rescue=rescue_mark(server.rescue.number if server.rescue is not None else None),
            passwords=server.passwords,
            error=self.failing or None,
        )

    # -- clients

    def token(self, role: str = "member", project_id: str | None = MINE, user_id: str = "wei", **how: Any) -> str:
        return self.issue(project_id, role, user_id=user_id, **how)

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
        said = {"x-auth-token": token or self.token(), "openstack-api-version": f"compute {version}"}
        return await ask(self.app, method, f"/compute/v2.1{path}", body, headers=said, query=query)

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


@pytest.fixture
async def cloud(database: str) -> AsyncIterator[Cloud]:
    async with Cloud(database) as cloud:
        yield cloud
