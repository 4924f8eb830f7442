"""Every verb of every contract says how long it may take and what it is about; what is handed out has just those verbs.

The class: a verb that would wait for ever, or stop others that have nothing to do with it, since nobody said which.
"""

import asyncio
import inspect

import pytest
from tests.simulation import virtual_time
from tests.simulation.virtual_time import VirtualLoop

from trivet.clock import SystemClock
from trivet.drivers.contracts import container, machine, network
from trivet.drivers.contracts.machine import MACHINES, Disk, MachineSpec, Pausing, Snapshotting, Suspending
from trivet.drivers.contracts.network import NetworkDriver, PortSpec, WireDriver
from trivet.drivers.contracts.patience import BULKY_S, LOOK_S, PLAIN_S, REMOVE_S, Unanswered, behind, patient
from trivet.drivers.sim.machines import SimMachines, Temper

CONTRACTS = (*MACHINES, NetworkDriver, WireDriver)


def test_every_verb_that_waits_for_an_engine_says_its_patience() -> None:
    silent = [
        f"{contract.__name__}.{name}"
        for contract in CONTRACTS
        for name, verb in vars(contract).items()
        if inspect.iscoroutinefunction(verb) and not hasattr(verb, "__patience__")
    ]
    assert silent == []


def test_every_contract_is_listed() -> None:
    there = {
        kind
        for room in (container, machine, network)
        for kind in vars(room).values()
        if inspect.isclass(kind) and getattr(kind, "_is_protocol", False) and kind.__module__ == room.__name__
    }
    assert there == set(CONTRACTS)


class Deaf:
    """An engine that never answers; it can pause and no more."""

    async def _for_ever(self, *args: object, **named: object) -> None:
        await asyncio.get_running_loop().create_future()

    observe = create = start = stop = remove = console_log = watch = pause = unpause = _for_ever


@pytest.mark.parametrize(
    ("verb", "words", "within_s"),
    [
        ("observe", (), LOOK_S),
        ("create", (MachineSpec("a", "a", 1, 64, Disk("/x", "raw")),), BULKY_S),
        ("start", ("a", {}), PLAIN_S),
        ("stop", ("a", 70.0), PLAIN_S + 70),
        ("remove", ("a",), REMOVE_S),
        ("pause", ("a",), PLAIN_S),
    ],
)
def test_a_verb_ends_in_its_own_time(verb: str, words: tuple[object, ...], within_s: float) -> None:
    loop = VirtualLoop()

    async def live() -> float:
        with pytest.raises(Unanswered):
            await getattr(patient(Deaf(), MACHINES), verb)(*words)
        return loop.time()

    assert virtual_time.run(loop, live()) == pytest.approx(within_s)


def test_words_may_be_said_by_their_names() -> None:
    loop = VirtualLoop()

    async def live() -> float:
        driver = patient(Deaf(), MACHINES)
        with pytest.raises(Unanswered):
            await driver.stop(grace_s=30.0, id="a")
        return loop.time()

    assert virtual_time.run(loop, live()) == pytest.approx(PLAIN_S + 30)


class Stubborn:
    """Its wires do not even let go when they are told to."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def ensure_port(self, spec: PortSpec) -> None:
        while True:
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                continue

    async def remove(self, noun: str, id: str) -> None:
        self.done.append(id)

    ensure_network = ensure_addresses = ensure_group = ensure_router = observe = ports_up = watch = ensure_port


def test_who_does_not_let_go_stops_its_own_object_and_no_other() -> None:
    loop = VirtualLoop()
    engine = Stubborn()

    async def live() -> None:
        driver = patient(engine, (NetworkDriver,))
        with pytest.raises(Unanswered):
            await driver.ensure_port(PortSpec("p", "n", "", (), (), secure=True))
        with pytest.raises(Unanswered, match="earlier call"):
            await driver.remove("port", "p")
        await driver.remove("port", "q")

    try:
        loop.run_until_complete(live())
    finally:
        loop.close()
    assert engine.done == ["q"]


async def test_abilities_are_those_of_the_driver_and_no_class_is_faked() -> None:
    driver = patient(Deaf(), MACHINES)
    assert isinstance(driver, Pausing)
    assert not isinstance(driver, Suspending) and not isinstance(driver, Snapshotting)
    assert type(driver) is driver.__class__
    simulated = SimMachines(SystemClock(), Temper())
    wrapped = patient(simulated, MACHINES)
    assert isinstance(wrapped, Suspending) and behind(wrapped) is simulated
    assert patient(wrapped, MACHINES) is wrapped
