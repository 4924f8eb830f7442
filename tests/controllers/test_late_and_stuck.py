"""Duties that come too late, jobs of one duty that fail, and an engine of the network that never answers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.api.image.image_cloud import Cloud as ImageCloud
from tests.api.network.network_cloud import Cloud as NetworkCloud
from tests.controllers.test_duties import weather
from tests.controllers.test_poisoned_objects import NetworkLab, held, staged
from tests.simulation import virtual_time
from tests.simulation.virtual_time import VirtualLoop, in_virtual_time
from tests.simulation.world import CALL, World

from trivet.controllers.duties import Duties
from trivet.controllers.forgetting import Forgetting
from trivet.controllers.images import ImageController
from trivet.controllers.network.networks import NetworkController
from trivet.controllers.signing_keys import KeyController
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.domain.images import tasks as image_tasks
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NetworkCreate
from trivet.drivers.contracts.network import NetworkSpec
from trivet.drivers.files import FileBlobs
from trivet.drivers.sim.network import SimNetwork
from trivet.errors import Conflict
from trivet.hosting.hosts_here import Hosting
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store import leases
from trivet.store.leases import Lease
from trivet.store.store import transact


@pytest.mark.parametrize("together", [False, True], ids=["alone", "one of several tasks"])
def test_a_duty_that_is_told_it_comes_too_late_ends_at_once_and_is_begun_again_with_a_lease_of_its_own(
    together: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def live(loop: VirtualLoop) -> list[tuple[float, int]]:
        store = await weather(loop)
        duties = Duties(store, "me")
        began: list[tuple[float, int]] = []

        async def write(lease: Lease) -> None:
            await asyncio.sleep(1)
            async with store.write() as tx:
                await leases.fence(tx, lease)
            await asyncio.sleep(1e6)

        async def duty(lease: Lease) -> None:
            began.append((loop.time(), lease.token))
            if not together:
                await write(lease)
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(1e6))
                group.create_task(write(lease))

        duties.offer("duty", duty)
        running = asyncio.create_task(duties.run())
        await asyncio.sleep(0.5)
        async with store.write() as tx:
            await tx.run("UPDATE leases SET token = token + 5")
        await asyncio.sleep(10)
        assert duties.held == ["duty"]
        running.cancel()
        return began

    assert in_virtual_time(live) == [(0.0, 1), (2.0, 7)]
    assert "nobody foresaw" not in caplog.text


# -- the log, the revocations, the keys


def test_keys_that_cannot_be_changed_keep_the_log_from_no_trimming() -> None:
    async def live(loop: VirtualLoop) -> list[str]:
        store = await weather(loop)
        settings = Settings()
        parts = Parts(
            settings=settings, clock=store.clock, ids=store.ids, store=store, tokens=Tokens(store.clock),
            passwords=Passwords(), blobs=FileBlobs(Path("/nowhere")),
        )  # fmt: skip
        month = 31 * 24 * 3600
        async with store.write() as tx:
            old = tx.clock.now() - month
            await tx.run("DROP TABLE signing_keys")
            for n in range(5001):
                sql = "INSERT INTO events (at, noun, noun_id, verb, revision) VALUES (?, 'n', ?, 'v', 1)"
                await tx.run(sql, old, str(n))
        lease = await held(store)
        other = await held(store, "signing keys")
        keys = asyncio.create_task(KeyController(parts).run(other))
        running = asyncio.create_task(Forgetting(parts).run(lease))
        await asyncio.sleep(5)
        assert not running.done() and not keys.done()
        async with store.read() as tx:
            left = await tx.rows("SELECT noun_id FROM events")
        running.cancel()
        keys.cancel()
        return [str(row[0]) for row in left]

    assert in_virtual_time(live) == ["5000"]


# -- engines of the network that never answer


class Hanging(SimNetwork):
    hanging = ""

    async def ensure_network(self, spec: NetworkSpec) -> None:
        if spec.id == self.hanging:
            await asyncio.get_running_loop().create_future()
        await super().ensure_network(spec)


def test_a_network_whose_engine_never_answers_keeps_no_other_waiting_for_ever() -> None:
    async def live(loop: VirtualLoop) -> None:
        async with NetworkCloud() as cloud:
            lab = NetworkLab(cloud, await held(cloud.store))
            engine = Hanging()
            hosting = Hosting("of a test", {}, engine)
            lab.controller = NetworkController(cloud.store, hosting.network, await held(cloud.store))
            first, other, last = await lab.make("a"), await lab.make("b"), await lab.make("c")
            engine.hanging = sorted([*first, *other, *last])[0]
            running = asyncio.create_task(lab.controller.run())
            await lab.tell()
            await asyncio.sleep(200)
            assert len(engine.specs["network"]) == 2
            engine.hanging = ""
            await asyncio.sleep(200)
            assert len(engine.specs["network"]) == 3
            running.cancel()

    in_virtual_time(live)


# -- listeners that would take long


def test_a_sweep_that_takes_long_keeps_no_other_listener_of_the_process_waiting(tmp_path: Path) -> None:
    loop = VirtualLoop()
    world = World(1, tmp_path, loop, dies_at_commit=0)

    async def live() -> None:
        await world.open()
        for process in world.processes:
            process.life.calm()
        await asyncio.sleep(5)
        (busy,) = [process for process in world.processes if "agent of the simulation" in process.duties.held]
        assert "networks" in busy.duties.held
        for machines in world.machines.values():
            machines.hanging = frozenset(("observe",))
        # The agent could not take in what the log said, so it is told to look at everything.
        busy.follower._behind.add("agent")
        await asyncio.sleep(2)
        network = await transact(world.plain, lambda tx: networks.create(tx, CALL.caller, NetworkCreate(name="n")))
        # Less than the agent is patient with those that hang, and more than a slow verb takes.
        async with asyncio.timeout(60):
            while network.id not in world.network.specs["network"]:
                await asyncio.sleep(1)
        world.end()

    virtual_time.run(loop, live())
    asyncio.run(world.close())


# -- imports that another process took over


async def test_who_was_too_slow_with_an_import_takes_nothing_from_whoever_took_it_over(tmp_path: Path) -> None:
    async def rows(sql: str) -> list[tuple[Any, ...]]:
        async with cloud.store.read() as tx:
            return [tuple(row) for row in await tx.rows(sql)]

    async with ImageCloud(tmp_path / "blobs") as cloud:
        await staged(cloud, "slow")
        ((task_id,),) = await rows("SELECT id FROM image_tasks")
        slow = await transact(cloud.store, lambda tx: image_tasks.take(tx, task_id, cloud.parts.sightings))
        assert slow is not None
        async with cloud.store.write() as tx:
            await tx.run("UPDATE image_tasks SET runs_until = 0")
        assert await transact(cloud.store, lambda tx: image_tasks.take(tx, task_id, cloud.parts.sightings)) is not None
        late = ImageController(cloud.parts)
        images = "SELECT status, staged_key, writing_key, revision FROM images"
        before = await rows(images)
        with pytest.raises(Conflict):
            await late._carry_out(slow)
        await late._not_now(slow, "It was too slow.", again=False)
        assert await rows(images) == before
        assert before[0][1] in await cloud.parts.blobs.keys()
