"""A cloud of compute with simulated engines and the real agent, which does what is wanted when it is told to look."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud

from trivet.agent.agent import Agent
from trivet.agent.engines import Engines
from trivet.agent.server_orders import by_server
from trivet.domain.servers import state as reports
from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.domain.servers.servers import SERVERS, Server
from trivet.drivers.files import FileBlobs
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.hosting.local_link import LocalLink
from trivet.settings import Settings
from trivet.store import leases

_LOOKS = 200


class MovingCloud(Cloud):
    """Its agents hold one host each, and hear of nothing but what `settle` shows them."""

    def __init__(self, database: str, folder: Path) -> None:
        super().__init__(database, settings=Settings(data=str(folder)), blobs=FileBlobs(folder / "blobs"))
        self.machines: dict[str, SimMachines] = {}
        self.agents: dict[str, Agent] = {}
        self.away: set[str] = set()
        """Hosts whose agent does nothing at the moment."""

    async def start_agents(self) -> None:
        network = SimNetwork()
        for id, name in await self.rows("SELECT id, name FROM hosts"):
            machines = self.machines[name] = SimMachines(self.clock, Temper())
            engines = {str(id): Engines({"vm": machines, "container": machines}, SimWires(network))}
            async with self.store.write() as tx:
                lease = await leases.take(tx, f"agent of {name}", "test", 3600.0, self.parts.sightings)
            assert lease is not None
            self.agents[name] = Agent(engines, LocalLink(self.parts, lease), self.clock, None)

    async def step(self, *names: str) -> None:
        """Each agent looks at everything once, and has done what it found."""
        for name in names or sorted(self.agents):
            if name not in self.away:
                await self._once(self.agents[name])
                await self._look()

    async def _once(self, agent: Agent) -> None:
        """What its loops do, one after the other, and without the pauses after what failed."""
        await agent.sweep()
        orders = agent._orders_due
        due, orders._hinted = orders._hinted, set()
        found, _ = await orders.orders_of(due) if due else ([], {})
        for id, group in by_server(found).items():
            await orders._one(id, group)
        await orders.drop()

    async def settle(self) -> None:
        for _ in range(_LOOKS):
            before = await self.rows("SELECT id, revision FROM servers ORDER BY id")
            await self.step()
            if before == await self.rows("SELECT id, revision FROM servers ORDER BY id"):
                return
        raise AssertionError("It does not come to rest.")

    async def _look(self) -> None:
        """No server runs on two hosts at once."""
        running: dict[str, list[str]] = {}
        for name, machines in self.machines.items():
            for id, seen in (await machines.observe()).items():
                if seen.power in ("running", "paused"):
                    running.setdefault(id, []).append(name)
        twice = {id: hosts for id, hosts in running.items() if len(hosts) > 1}
        assert not twice, twice

    # -- words of tests

    async def host_of(self, id: str) -> str:
        ((host,),) = await self.rows("SELECT h.name FROM hosts h JOIN servers s ON s.host_id = h.id WHERE s.id = ?", id)
        return str(host)

    async def row(self, id: str) -> Server:
        async with self.store.read() as tx:
            return await tx.need(SERVERS, id, "server")

    async def where(self, id: str) -> dict[str, str]:
        """Host -> the power of what is there of a server."""
        found: dict[str, str] = {}
        for name, machines in self.machines.items():
            with suppress(KeyError):
                found[name] = (await machines.observe(id))[id].power
        return found

    async def claimed(self, id: str) -> dict[str, int]:
        """Host -> VCPUs that it holds for a server or for its migration."""
        rows = await self.rows(
            "SELECT h.name, SUM(c.used) FROM claims c JOIN hosts h ON h.id = c.provider_id WHERE c.class = 'VCPU'"
            " AND (c.consumer_id = ? OR c.consumer_id IN (SELECT id FROM server_migrations WHERE server_id = ?))"
            " GROUP BY h.name",
            id,
            id,
        )
        return {str(name): int(used) for name, used in rows}

    async def target_of(self, id: str) -> str:
        """Where it is to go."""
        ((host,),) = await self.rows(
            "SELECT h.name FROM hosts h JOIN servers s ON s.other_host_id = h.id WHERE s.id = ?", id
        )
        return str(host)

    async def flavor(self, id: str, **words: Any) -> None:
        async with self.store.write() as tx:
            wanted = {"vcpus": 1, "ram_mib": 512, "disk_gib": 1} | words
            await tx.insert(FLAVORS, Flavor(id=id, name=id, created_at=0.0, **wanted))

    async def cores(self) -> int:
        """What the project has taken of its quota."""
        return int((await self.call("GET", "/limits")).ok()["limits"]["absolute"]["totalCoresUsed"])

    async def kill(self, host: str) -> None:
        """It is dead, and everybody knows."""
        async with self.store.write() as tx:
            await tx.run("UPDATE hosts SET forced_down = 1 WHERE name = ?", host)
        for id in await self.machines[host].observe():
            self.machines[host].crash(id)

    async def late(self, id: str) -> None:
        """Its deadline has passed."""
        async with self.store.write() as tx:
            await reports.end_late(tx, await tx.need(SERVERS, id, "server"))

    async def actions(self, id: str) -> list[dict[str, Any]]:
        return list((await self.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"])

    async def migrate(self, id: str, body: dict[str, Any] | None = None, version: str = "2.104") -> Any:
        return await self.act(id, "migrate", body, token=self.token("admin"), version=version)

    async def migrations(self) -> list[dict[str, Any]]:
        answer = await self.call("GET", "/os-migrations", token=self.token("admin"))
        return list(answer.ok()["migrations"])


@pytest.fixture
async def moving(database: str, tmp_path: Path) -> AsyncIterator[MovingCloud]:
    async with MovingCloud(database, tmp_path) as cloud:
        for name in ("cirros", "shell"):
            await cloud.parts.blobs.put(name, b"\0" * 512)
        await cloud.start_agents()
        yield cloud
