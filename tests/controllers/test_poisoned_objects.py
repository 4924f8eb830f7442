"""One object that cannot be handled, by a bug of ours, an engine's or a bad row: all the others go on.

Where pauses matter, time is the simulation's, so nothing is waited for.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud as ServerCloud
from tests.api.image.image_cloud import Cloud as ImageCloud
from tests.api.network.network_cloud import Client
from tests.api.network.network_cloud import Cloud as NetworkCloud
from tests.simulation.virtual_time import VirtualLoop, in_virtual_time

from trivet.controllers.images import ImageController
from trivet.controllers.network.networks import NetworkController
from trivet.controllers.servers.console_reads import ConsoleReads
from trivet.controllers.servers.servers import ServerController
from trivet.domain.servers import console_output
from trivet.domain.servers.console_output import CONSOLE_READS, ConsoleRead
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import NetworkSpec, Noun
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork
from trivet.drivers.web import Allowed, Web
from trivet.errors import Busy
from trivet.store import leases, log
from trivet.store.leases import Lease
from trivet.store.store import Store

# -- networks


class Cursed(SimNetwork):
    """A driver with bugs in it."""

    def __init__(self) -> None:
        super().__init__()
        self.cursed: set[str] = set()
        self.blind = self.deaf = False
        self.tries: list[float] = []

    async def trouble(self, verb: str, id: str) -> None:
        if id in self.cursed:
            self.tries.append(asyncio.get_running_loop().time())
            raise KeyError(id)

    async def observe(self) -> dict[Noun, set[str]]:
        if self.blind:
            raise DriverError("It does not answer.", again=True)
        return await super().observe()

    async def watch(self) -> AsyncIterator[tuple[str, bool]]:
        if self.deaf:
            self.deaf = False
            raise ValueError("no such column")
        async for told in super().watch():
            yield told


async def held(store: Store, name: str = "duty") -> Lease:
    async with store.write() as tx:
        lease = await leases.take(tx, name, "me", 1e6)
    assert lease is not None
    return lease


class NetworkLab:
    def __init__(self, cloud: NetworkCloud, lease: Lease) -> None:
        self.cloud = cloud
        self.mine: Client = cloud.mine
        self.engine = Cursed()
        self.controller = NetworkController(cloud.store, self.engine, lease)
        self._seen = 0

    async def tell(self) -> None:
        async with self.cloud.store.read() as tx:
            events = await log.read(tx, self._seen)
        for event in events:
            self._seen = event.seq
            await self.controller.follow(event)

    async def make(self, *names: str) -> list[str]:
        made = [(await self.mine.make("network", name=name))["id"] for name in names]
        await self.tell()
        return made

    @property
    def networks(self) -> set[str]:
        return set(self.engine.specs["network"])


@pytest.fixture
async def lab() -> AsyncIterator[NetworkLab]:
    async with NetworkCloud() as cloud:
        yield NetworkLab(cloud, await held(cloud.store))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_network_that_a_driver_trips_over_stops_no_other_and_is_made_once_it_can_be(lab: NetworkLab) -> None:
    bad, good = await lab.make("bad", "good")
    lab.engine.cursed = {bad}
    running = asyncio.create_task(lab.controller.run())
    await until(lambda: lab.networks == {good})
    lab.engine.cursed = set()
    await until(lambda: lab.networks == {good, bad})
    assert not running.done()
    running.cancel()


async def test_a_row_of_which_no_spec_can_be_made_stops_no_other(lab: NetworkLab, caplog: Any) -> None:
    network, _ = await lab.mine.network()
    pairs = [{"ip_address": "10.0.0.9"}]
    bad = await lab.mine.make("port", network_id=network, allowed_address_pairs=pairs)
    good = await lab.mine.make("port", network_id=network)
    async with lab.cloud.store.write() as tx:
        broken = '[{"ip_address": "nonsense", "mac_address": null}]'
        assert await tx.run("UPDATE ports SET allowed_address_pairs = ? WHERE id = ?", broken, bad["id"])
    await lab.controller.resync()
    await lab.controller.apply()
    assert set(lab.engine.specs["port"]) == {good["id"]}
    assert bad["id"] in caplog.text


async def test_an_engine_that_cannot_be_looked_at_is_used_all_the_same_and_strays_go_later(lab: NetworkLab) -> None:
    (network,) = await lab.make("a")
    await lab.engine.ensure_network(NetworkSpec(id="stray", mtu=1442, subnets=()))
    lab.engine.blind = True
    await lab.controller.resync()
    await lab.controller.apply()
    assert lab.networks == {network, "stray"}
    lab.engine.blind = False
    await lab.controller.sweep()
    assert lab.networks == {network}


async def test_an_engine_that_trips_while_it_tells_of_ports_is_listened_to_again(lab: NetworkLab) -> None:
    lab.engine.deaf = True
    running = asyncio.create_task(lab.controller.run())
    await until(lambda: lab.engine.listeners)
    assert not running.done()
    running.cancel()


async def test_what_was_heard_while_the_database_was_away_is_written_when_it_is_back(lab: NetworkLab) -> None:
    network, _ = await lab.mine.network()
    port = (await lab.mine.make("port", network_id=network))["id"]
    write, away = lab.cloud.store.write, True

    def sometimes() -> Any:
        if away:
            raise Busy("store.away", "It is away.")
        return write()

    lab.cloud.store.write = sometimes  # type: ignore[method-assign] # a database that comes and goes
    running = asyncio.create_task(lab.controller.run())
    await until(lambda: lab.engine.listeners)
    for listener in lab.engine.listeners:
        listener.put_nowait((port, True))
    await asyncio.sleep(0.05)
    away = False
    async with asyncio.timeout(60):
        while (await lab.cloud.admin.get(f"ports/{port}"))["port"]["status"] != "ACTIVE":
            await asyncio.sleep(0.01)
    running.cancel()


def test_what_goes_on_failing_is_tried_ever_later() -> None:
    async def live(loop: VirtualLoop) -> list[float]:
        async with NetworkCloud() as cloud:
            lab = NetworkLab(cloud, await held(cloud.store))
            lab.engine.cursed = set(await lab.make("bad"))
            running = asyncio.create_task(lab.controller.run())
            await asyncio.sleep(100)
            running.cancel()
            return lab.engine.tries

    tries = in_virtual_time(live)
    pauses = [round(after - before) for before, after in itertools.pairwise(tries)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


# -- servers


async def test_a_server_that_cannot_be_ended_keeps_no_other_from_its_end(caplog: Any) -> None:
    async with ServerCloud() as cloud:
        ids = [(await cloud.create(name=f"s{n}")).ok()["server"]["id"] for n in range(3)]
        async with cloud.store.write() as tx:
            lease = await leases.take(tx, "servers", "me", 1e6)
            # Not what a record can be read from.
            await tx.run("UPDATE servers SET flavor = '[]' WHERE id = ?", ids[0])
        assert lease is not None
        controller = ServerController(cloud.store)
        for _ in range(30):
            await controller.step(lease)
            cloud.clock.passed_s += 10
        await controller.step(lease)
        assert [(await cloud.show(id))["status"] for id in ids[1:]] == ["ERROR", "ERROR"]
        assert caplog.text.count(f"server {ids[0]}: nobody foresaw this") == 1
        # It is left alone for a while.
        await controller.step(lease)
        assert caplog.text.count(f"server {ids[0]}: nobody foresaw this") == 1


# -- images


async def staged(cloud: ImageCloud, name: str) -> str:
    image = str((await cloud.create(name=name))["id"])
    (await cloud.call("PUT", f"/v2/images/{image}/stage", b"staged", kind="application/octet-stream")).ok()
    body = {"method": {"name": "glance-direct"}}
    assert (await cloud.call("POST", f"/v2/images/{image}/import", body)).status == 202
    return image


async def test_an_import_that_trips_ends_with_its_own_image_and_the_others_are_imported(tmp_path: Path) -> None:
    async with ImageCloud(tmp_path / "blobs") as cloud:
        bad, good = [await staged(cloud, name) for name in ("bad", "good")]
        async with cloud.store.write() as tx:
            assert await tx.run("UPDATE image_tasks SET input = '{\"import_req\": 7}' WHERE image_id = ?", bad)
        controller = ImageController(cloud.parts, Web(Allowed("127.0.0.0/8")))
        running = asyncio.create_task(controller.run())
        async with asyncio.timeout(60):
            while (await cloud.show(good))["status"] != "active":
                await asyncio.sleep(0.01)
            while (await cloud.show(bad))["status"] != "queued":
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        (task,) = (await cloud.call("GET", f"/v2/images/{bad}/tasks")).ok()["tasks"]
        assert task["status"] == "failure" and "unexpected error" in task["message"]


async def test_a_sweep_that_cannot_clear_away_keeps_no_import_waiting(tmp_path: Path) -> None:
    async with ImageCloud(tmp_path / "blobs") as cloud:
        gone = (await cloud.active())["id"]
        (key,) = await cloud.blob_keys()
        (await cloud.call("DELETE", f"/v2/images/{gone}")).ok()
        # A directory cannot be removed as a file is.
        (tmp_path / "blobs" / key).mkdir(exist_ok=True)
        async with cloud.store.write() as tx:
            await tx.run("UPDATE deleted_images SET blob_keys = ? WHERE id = ?", key, gone)
        good = await staged(cloud, "good")
        running = asyncio.create_task(cloud.images.run())
        async with asyncio.timeout(60):
            while (await cloud.show(good))["status"] != "active":
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()


# -- consoles


class Console(SimMachines):
    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        if id == "cursed":
            raise KeyError(id)
        return b"login:"


async def test_a_console_that_cannot_be_read_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    async with ServerCloud() as cloud:
        machines = Console(cloud.clock, Temper())
        reads = ConsoleReads(cloud.store, ["h"], lambda host, kind: machines, await held(cloud.store))
        async with cloud.store.write() as tx:
            for id in ("cursed", "well"):
                read = ConsoleRead(id=id, server_id=id, host_id="h", kind="vm", limit_bytes=9, asked_at=tx.clock.now())
                await tx.insert(CONSOLE_READS, read)
        await reads.on_resync()

        async def told() -> dict[str, tuple[str | None, str | None]]:
            async with cloud.store.read() as tx:
                return {read.id: (read.output, read.error) for read in await tx.select(CONSOLE_READS)}

        async with asyncio.timeout(60):
            while (None, None) in (await told()).values():
                await asyncio.sleep(0.005)
        found = await told()
        assert found["well"] == ("login:", None)
        assert found["cursed"][0] is None and "unexpected" in (found["cursed"][1] or "")
        async with cloud.store.read() as tx:
            assert await console_output.waiting(tx, ["h"]) == []
