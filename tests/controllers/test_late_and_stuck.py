"""Duties that come too late, jobs of one duty that fail, and an engine of the network that never answers."""

import asyncio
from pathlib import Path

import pytest
from tests.api.network_cloud import Cloud as NetworkCloud
from tests.controllers.test_poisoned_objects import NetworkLab, held, in_virtual_time, weather
from tests.simulation.virtual_time import VirtualLoop

from trivet.controllers.duties import Duties
from trivet.controllers.log_trim import LogTrim
from trivet.controllers.networks import NetworkController
from trivet.domain.passwords import Passwords
from trivet.domain.tokens import Tokens
from trivet.drivers.contracts.network import NetworkSpec
from trivet.drivers.files import FileBlobs
from trivet.drivers.sim.network import SimNetwork
from trivet.hosting import Hosting
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store import leases
from trivet.store.leases import Lease


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

    assert in_virtual_time(live) == [(0.0, 1), (2.0, 6)]
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
        running = asyncio.create_task(LogTrim(parts).run(lease))
        await asyncio.sleep(5)
        assert not running.done()
        async with store.read() as tx:
            left = await tx.rows("SELECT noun_id FROM events")
        running.cancel()
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
