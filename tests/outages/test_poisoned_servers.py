"""One server, engine or question that an agent cannot handle, and all the others that it looks after meanwhile.

The agent is the real one, over simulated machines; the far side of its link is a few dictionaries. Time is the
simulation's, so nothing is waited for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.simulation import virtual_time
from tests.simulation.virtual_time import VirtualClock, VirtualLoop
from trivet.agent.agent import Agent
from trivet.agent.console_answers import answer_all
from trivet.agent.engines import Engines
from trivet.agent.halting import halt, remember
from trivet.domain.host_link.words import ConsoleAnswer, ConsoleQuestion
from trivet.domain.servers.orders import DiskAt, ImageAt, Order, Orders, Report
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, Seen
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.errors import Busy, Conflict, OverQuota, TrivetError


class Machines(SimMachines):
    """With bugs where the test wants them."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, Temper())
        self.cursed: set[str] = set()
        self.blind = self.deaf = False
        self.tried: list[float] = []
        self.watched = 0

    async def create(self, spec: MachineSpec) -> None:
        if spec.id in self.cursed:
            self.tried.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.7)
            raise KeyError(spec.id)
        await super().create(spec)

    async def remove(self, id: str) -> None:
        if id in self.cursed:
            raise KeyError(id)
        await super().remove(id)

    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        if self.blind:
            raise DriverError("It does not answer.", again=True)
        return await super().observe(only)

    async def watch(self) -> AsyncIterator[str]:
        self.watched += 1
        if self.deaf:
            raise ValueError("no such column")
        async for id in super().watch():
            yield id

    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        if id in self.cursed:
            raise KeyError(id)
        return b"login:"


class FarSide:
    """The link, and what the cloud would know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wanted: dict[str, Order] = {}
        self.cursed: set[str] = set()
        self.unclear: set[str] = set()
        self.bug: Callable[[str], Exception] = KeyError
        self.reports: list[Report] = []
        self.refusal: TrivetError | None = None
        self.uploads = 0

    def want(self, id: str, *, kind: Literal["vm", "container"] = "vm", image: str | None = None) -> None:
        self.wanted[id] = Order(
            server_id=id, host_id="h", revision=1, kind=kind, want="running", boots=1, builds=1, grace_s=0,
            hostname=id, vcpus=1, memory_mib=64, disk_gib=1, image=ImageAt("i", "i", "raw"), wires=(),
            snapshot_image_id=image,
        )  # fmt: skip

    async def orders(self, hosts: Collection[str], servers: Collection[str] | None = None) -> Orders:
        asked = set(self.wanted if servers is None else servers)
        for id in sorted(asked & self.cursed):
            raise self.bug(id)
        found = [order for id, order in self.wanted.items() if id in asked - self.unclear]
        return Orders(found, dict.fromkeys(asked & self.unclear, "h"))

    async def report(self, reports: list[Report]) -> dict[str, int]:
        self.reports += reports
        return {report.server_id: report.revision for report in reports if report.server_id in self.wanted}

    async def confirm(self) -> None:
        return None

    async def heartbeat(self, hosts: Collection[str]) -> None:
        return None

    async def files(self, server_id: str) -> dict[str, bytes]:
        return {}

    async def image_path(self, image: ImageAt) -> str:
        return "image"

    async def upload(self, image_id: str, path: str, format: str) -> None:
        self.uploads += 1
        if self.refusal is not None:
            raise self.refusal

    async def moved_disk(self, server_id: str, disk: DiskAt) -> str:
        raise AssertionError("nothing moves here")

    async def hand_over(self, server_id: str, name: str, path: str, format: str) -> None:
        raise AssertionError("nothing moves here")

    def scratch(self, name: str) -> str:
        return str(self.folder / name)


class Host:
    def __init__(self, loop: VirtualLoop, folder: Path) -> None:
        self.clock = VirtualClock(loop)
        self.machines = Machines(self.clock)
        self.others = Machines(self.clock)
        self.engines = Engines({"vm": self.machines, "container": self.others}, SimWires(SimNetwork()))
        self.far = FarSide(folder)
        self.agent = Agent({"h": self.engines}, self.far, self.clock, None)

    async def runs(self, seconds: float) -> None:
        task = asyncio.create_task(self.agent.run())
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def up(self) -> set[str]:
        found = {**await SimMachines.observe(self.machines), **await SimMachines.observe(self.others)}
        return {id for id, seen in found.items() if seen.power == "running"}

    def stray(self, id: str) -> None:
        self.machines.adopt(id, id, "running", {})


@pytest.fixture
def on_a_host(tmp_path: Path) -> Callable[[Callable[[Host], Coroutine[Any, Any, None]]], None]:
    def go(live: Callable[[Host], Coroutine[Any, Any, None]]) -> None:
        loop = VirtualLoop()

        async def within() -> None:
            await live(Host(loop, tmp_path))

        virtual_time.run(loop, within())

    return go


OnAHost = Callable[[Callable[[Host], Coroutine[Any, Any, None]]], None]


@pytest.mark.parametrize("bug", [KeyError, lambda id: Busy("internal", "An unexpected error.")], ids=["near", "far"])
def test_a_server_of_which_no_order_can_be_made_keeps_no_other_from_its_own(
    on_a_host: OnAHost, bug: Callable[[str], Exception]
) -> None:
    async def live(host: Host) -> None:
        for n in range(9):
            host.far.want(f"s{n}")
        host.far.cursed, host.far.bug = {"s4"}, bug
        host.agent.hint({f"s{n}": 1 for n in range(9)})
        await host.runs(5)
        assert await host.up() == {f"s{n}" for n in range(9)} - {"s4"}
        host.far.cursed = set()
        await host.runs(70)
        assert "s4" in await host.up()

    on_a_host(live)


def test_a_sweep_that_is_not_told_everything_takes_strays_and_nothing_that_it_is_not_sure_of(
    on_a_host: OnAHost,
) -> None:
    async def live(host: Host) -> None:
        host.far.want("known")
        host.far.want("cursed")
        host.far.cursed = {"cursed"}
        for id in ("known", "cursed", "stray"):
            host.stray(id)
        await host.agent.sweep()
        assert await host.up() == {"known", "cursed"}

    on_a_host(live)


def test_a_stray_that_cannot_be_removed_keeps_no_other_from_going(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        for id in ("a", "b", "c"):
            host.stray(id)
        host.machines.cursed = {"a", "b"}
        await host.agent.sweep()
        assert await host.up() == {"a", "b"}

    on_a_host(live)


def test_an_engine_that_does_not_answer_keeps_no_other_from_being_swept(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.others.blind = True
        host.stray("stray")
        host.far.want("lost")
        await host.runs(5)
        assert await host.up() == {"lost"}

    on_a_host(live)


def test_an_engine_that_cannot_be_watched_stops_nothing_and_is_watched_again_ever_later(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.others.deaf = True
        host.far.want("one")
        await host.runs(100)
        assert await host.up() == {"one"}
        assert host.machines.watched == 1
        assert 3 <= host.others.watched <= 10

    on_a_host(live)


def test_a_server_that_fails_for_hours_is_tried_now_and_then_and_no_more_often_as_time_goes(
    on_a_host: OnAHost,
) -> None:
    async def live(host: Host) -> None:
        host.far.want("bad")
        host.far.want("good")
        host.machines.cursed = {"bad"}
        hours = 12
        await host.runs(hours * 3600)
        assert await host.up() == {"good"}
        tries = [sum(hour * 3600 <= at < (hour + 1) * 3600 for at in host.machines.tried) for hour in range(hours)]
        # Given up after three tries in a row, and looked at again by each sweep.
        assert all(55 <= each <= 65 for each in tries), tries
        host.machines.cursed = set()
        await host.runs(70)
        assert await host.up() == {"bad", "good"}

    on_a_host(live)


def test_a_bug_that_stays_is_told_a_few_times_as_what_is_in_the_way_and_then_as_a_failure_for_good(
    on_a_host: OnAHost,
) -> None:
    """The class: whatever keeps an order from being followed ends in words that its owner can read."""

    async def live(host: Host) -> None:
        host.far.want("bad")
        host.machines.cursed = {"bad"}
        await host.runs(30)
        told = [(report.error or "", report.again) for report in host.far.reports if report.server_id == "bad"]
        assert [again for _, again in told] == [True, True, False], told
        assert "logged" in told[0][0]
        assert "given up" in told[-1][0]
        assert "ask the operator" in told[-1][0]

    on_a_host(live)


@pytest.mark.parametrize(
    ("refusal", "uploads", "error"),
    [
        (OverQuota("quota.full", "The quota of images is full."), 1, "The quota of images is full."),
        (Conflict("image.status", "It is active, not queued."), 1, None),
        (Busy("blobs.away", "The disk is full."), 4, None),
    ],
    ids=["never", "already", "later"],
)
def test_a_snapshot_is_made_again_only_if_that_can_help(
    on_a_host: OnAHost, refusal: TrivetError, uploads: int, error: str | None
) -> None:
    async def live(host: Host) -> None:
        host.far.want("one", image="snap")
        host.far.refusal = refusal
        task = asyncio.create_task(host.agent.run())
        await asyncio.sleep(10)
        assert host.far.uploads == uploads
        told = {(report.error, report.snapshot_image_id) for report in host.far.reports}
        if uploads == 1:
            assert told == {(error, None if error else "snap")}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    on_a_host(live)


def test_a_console_that_cannot_be_read_keeps_no_other_from_being_told(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.machines.cursed = {"bad"}
        told: dict[str, ConsoleAnswer] = {}

        async def questions() -> list[ConsoleQuestion]:
            return [ConsoleQuestion(id, id, "vm", 100) for id in ("bad", "good")]

        async def tell(id: str, answer: ConsoleAnswer) -> None:
            told[id] = answer

        await answer_all(host.engines, questions, tell)
        assert told["good"].output == b"login:"
        assert "unexpected" in (told["bad"].error or "")

    on_a_host(live)


# -- a host that is halted


def test_who_was_stopped_with_its_host_comes_back_even_if_the_first_start_dies_at_once(
    on_a_host: OnAHost, tmp_path: Path
) -> None:
    memory = tmp_path / "halted.json"

    async def live(host: Host) -> None:
        for id in ("one", "two"):
            host.far.want(id)
        await host.runs(5)
        await halt(host.engines, memory)
        assert await host.up() == set()
        for _ in range(2):
            # Started, and killed before anything was done.
            begun = Engines(host.engines.machines, host.engines.wires)
            remember(begun, memory)
        host.agent = Agent({"h": begun}, host.far, host.clock, None)
        await host.runs(5)
        assert await host.up() == {"one", "two"}
        assert not memory.exists()

    on_a_host(live)


def test_one_engine_that_does_not_answer_keeps_the_other_from_no_halt(on_a_host: OnAHost, tmp_path: Path) -> None:
    async def live(host: Host) -> None:
        host.stray("one")
        blind = Machines(host.clock)
        blind.blind = True
        await halt(Engines({"container": blind, "vm": host.machines}, host.engines.wires), tmp_path / "halted.json")
        assert await host.up() == set()

    on_a_host(live)


def test_a_list_of_the_halted_that_was_cut_off_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / "halted.json").write_text('["one", "tw')
    engines = Engines({}, SimWires(SimNetwork()))
    remember(engines, tmp_path / "halted.json")
    assert "one" not in engines.halted
