"""Engines that never answer: a socket that takes and says nothing, a program that waits for ever.

The agent is the real one, the machines are simulated ones that hang on request, and time is the simulation's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.outages.test_poisoned_servers import FarSide
from tests.simulation import virtual_time
from tests.simulation.hanging import HangingMachines
from tests.simulation.virtual_time import VirtualClock, VirtualLoop
from trivet.agent.agent import Agent
from trivet.agent.engines import Engines
from trivet.clock import SystemClock
from trivet.drivers.contracts.machine import Pausing
from trivet.drivers.contracts.network import Wire
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires


class HangingWires(SimWires):
    hanging = False

    async def plug(self, wire: Wire) -> None:
        if self.hanging:
            await asyncio.get_running_loop().create_future()
        await super().plug(wire)


class Host:
    def __init__(self, clock: VirtualClock, folder: Path) -> None:
        self.clock = clock
        self.vms = HangingMachines(clock, Temper())
        self.boxes = HangingMachines(clock, Temper())
        self.wires = HangingWires(SimNetwork())
        self.far = FarSide(folder)
        self.engines = Engines({"vm": self.vms, "container": self.boxes}, self.wires)
        self.agent = Agent({"h": self.engines}, self.far, clock, None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.agent.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def want(self, *ids: str) -> None:
        for id in ids:
            self.far.want(id, kind="container" if id.startswith("box") else "vm")
        self.agent.hint(dict.fromkeys(ids, 0))

    async def up(self) -> set[str]:
        found = {**await SimMachines.observe(self.vms), **await SimMachines.observe(self.boxes)}
        return {id for id, seen in found.items() if seen.power == "running"}

    def errors(self, id: str) -> list[tuple[str, bool]]:
        return [(each.error, each.again) for each in self.far.reports if each.server_id == id and each.error]


OnAHost = Callable[[Callable[[Host], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def on_a_host(tmp_path: Path) -> OnAHost:
    def go(live: Callable[[Host], Coroutine[Any, Any, None]]) -> None:
        loop = VirtualLoop()

        async def within() -> None:
            await live(Host(VirtualClock(loop), tmp_path))

        virtual_time.run(loop, within())

    return go


def test_a_server_whose_engine_never_answers_is_told_so_and_keeps_no_other_waiting(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        ids = {f"s{n}" for n in range(40)}
        host.vms.hanging = frozenset(("start s7",))
        host.want(*sorted(ids))
        async with host.running():
            await asyncio.sleep(5)
            assert await host.up() == ids - {"s7"}
            await asyncio.sleep(190)
            assert host.errors("s7") == [("The engine did not answer within 180 s.", True)]
            host.vms.hanging = frozenset()
            await asyncio.sleep(190)
            assert await host.up() == ids

    on_a_host(live)


def test_an_engine_that_answers_nobody_keeps_only_its_own_kind_waiting(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        vms = [f"s{n}" for n in range(40)]
        host.vms.hanging = frozenset(("start", "observe"))
        host.want(*vms)
        async with host.running():
            await asyncio.sleep(1)
            host.want("box")
            await asyncio.sleep(5)
            assert await host.up() == {"box"}
            host.vms.hanging = frozenset()
            await asyncio.sleep(400)
            assert await host.up() == {"box", *vms}

    on_a_host(live)


def test_wires_that_hang_are_told_as_well(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.wires.hanging = True
        host.want("s1")
        wire = Wire(port_id="p", network_id="n", mac="m", mtu=1500, kind="tap")
        host.far.wanted["s1"] = msgspec.structs.replace(host.far.wanted["s1"], wires=(wire,))
        async with host.running():
            await asyncio.sleep(200)
            assert host.errors("s1")[0] == ("The engine did not answer within 180 s.", True)
            host.wires.hanging = False
            await asyncio.sleep(200)
            assert await host.up() == {"s1"}

    on_a_host(live)


def test_a_sweep_does_what_it_can_when_one_engine_does_not_say_what_is_there(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.boxes.hanging = frozenset(("observe",))
        host.vms.adopt("stray", "stray", "running", {})
        async with host.running():
            await asyncio.sleep(100)
            assert await host.up() == set()

    on_a_host(live)


def test_strays_that_hang_keep_the_sweep_no_longer_than_one_of_them(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.vms.hanging = frozenset(("remove",))
        for n in range(20):
            host.vms.adopt(f"stray{n}", "stray", "running", {})
        host.boxes.adopt("box-stray", "stray", "running", {})
        async with host.running():
            await asyncio.sleep(650)
            assert await host.up() == {f"stray{n}" for n in range(20)}

    on_a_host(live)


def test_what_comes_back_late_finds_nothing_begun_behind_its_back_and_is_put_right(on_a_host: OnAHost) -> None:
    """A start that does not even end when it is cancelled; meanwhile the server was deleted."""

    async def live(host: Host) -> None:
        host.want("s1")
        host.vms.hanging, host.vms.deaf = frozenset(("start",)), True
        async with host.running():
            await asyncio.sleep(190)
            gone = host.far.wanted["s1"] = msgspec.structs.replace(host.far.wanted["s1"], want="gone", revision=2)
            host.agent.hint({"s1": 2})
            await asyncio.sleep(1000)
            ended = [report for report in host.far.reports if report.revision == gone.revision and not report.error]
            assert ended == [], "it was said to be gone while a start of it was under way"
            assert host.errors("s1")[-1] == ("The engine has not come back from an earlier call yet.", True)
            host.vms.hanging = frozenset()
            await asyncio.sleep(40)
            assert await SimMachines.observe(host.vms) == {}
            last = host.far.reports[-1]
            assert (last.revision, last.power, last.error) == (2, None, None)

    on_a_host(live)


def test_who_loses_the_hosts_while_a_call_hangs_lets_go_of_them_in_time(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.want("s1")
        host.vms.hanging, host.vms.deaf = frozenset(("start",)), True
        async with host.running():
            await asyncio.sleep(5)
            leaving = host.clock.monotonic()
        assert host.clock.monotonic() - leaving < 2
        # The next agent of the same process knows of the call that is still out.
        host.agent = Agent({"h": host.engines}, host.far, host.clock, None)
        host.agent.hint({"s1": 0})
        async with host.running():
            await asyncio.sleep(5)
            assert host.errors("s1")[0][0] == "The engine has not come back from an earlier call yet."
            host.vms.hanging = frozenset()
            await asyncio.sleep(40)
            assert await host.up() == {"s1"}

    on_a_host(live)


def test_a_driver_that_is_bounded_can_what_it_could_and_no_more() -> None:
    class Plain:
        async def observe(self) -> None:
            return None

    engines = Engines({"vm": SimMachines(SystemClock(), Temper())}, SimWires(SimNetwork()))
    assert isinstance(engines.machines["vm"], Pausing)
    plain = Engines({"vm": Plain()}, SimWires(SimNetwork()))  # type: ignore[dict-item] # a part of one
    assert not isinstance(plain.machines["vm"], Pausing)
