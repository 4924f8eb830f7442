"""Duties when the database hangs, raves, or a duty does not let go. Time is the simulation's."""

import asyncio
import itertools
from typing import Any

from tests.simulation.virtual_time import VirtualClock, VirtualLoop, in_virtual_time

from trivet.controllers.duties import Duties
from trivet.errors import Busy
from trivet.ids import SeededIds
from trivet.store.leases import Lease
from trivet.store.sqlite import SqliteStore


class Weather(SqliteStore):
    """A database that may neither answer nor refuse, or say what nobody knows."""

    hanging = False
    raving = False

    def write(self) -> Any:
        if self.raving:
            raise RuntimeError("never heard of")
        return self._hang() if self.hanging else super().write()

    def _hang(self) -> Any:
        class Never:
            async def __aenter__(self) -> None:
                await asyncio.sleep(30)
                raise Busy("store.away", "It is away.")

            async def __aexit__(self, *error: object) -> None:
                return None

        return Never()


class Duty:
    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.began: list[float] = []
        self.ended: list[float] = []

    async def run(self, lease: Lease) -> None:
        self.began.append(self.loop.time())
        try:
            await asyncio.sleep(1e6)
        finally:
            self.ended.append(self.loop.time())


async def weather(loop: VirtualLoop) -> Weather:
    store = Weather(":memory:", VirtualClock(loop), SeededIds(1))
    await store.open()
    await store.migrate()
    return store


def test_duties_end_before_their_leases_do_when_the_database_hangs() -> None:
    async def live(loop: VirtualLoop) -> None:
        store = await weather(loop)
        duties, duty = Duties(store, "me"), Duty(loop)
        duties.offer("duty", duty.run)
        running = asyncio.create_task(duties.run())
        await asyncio.sleep(1)
        assert len(duty.began) == 1
        store.hanging = True
        await asyncio.sleep(6)
        # Renewed at 0 for six seconds.
        assert duty.ended and duty.ended[0] < 6
        store.hanging = False
        await asyncio.sleep(10)
        assert len(duty.began) == 2
        running.cancel()

    in_virtual_time(live)


def test_a_process_that_was_told_nonsense_by_its_database_does_its_duties_again_later() -> None:
    async def live(loop: VirtualLoop) -> None:
        store = await weather(loop)
        duties, duty = Duties(store, "me"), Duty(loop)
        duties.offer("duty", duty.run)
        running = asyncio.create_task(duties.run())
        await asyncio.sleep(1)
        store.raving = True
        await asyncio.sleep(20)
        assert duties.held == []
        store.raving = False
        await asyncio.sleep(10)
        assert duties.held == ["duty"] and len(duty.began) == 2
        running.cancel()

    in_virtual_time(live)


def test_a_duty_that_does_not_let_go_takes_no_other_duty_with_it() -> None:
    async def live(loop: VirtualLoop) -> None:
        store = await weather(loop)
        duties, good = Duties(store, "me"), Duty(loop)

        async def stubborn(lease: Lease) -> None:
            while loop.time() < 60:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    continue

        duties.offer("stubborn", stubborn)
        duties.offer("good", good.run)
        running = asyncio.create_task(duties.run())
        await asyncio.sleep(1)
        for _ in range(15):
            async with store.write() as tx:
                later = store.clock.now() + 6
                await tx.run("UPDATE leases SET holder = 'x', token = 9, ends_at = ? WHERE name = 'stubborn'", later)
            await asyncio.sleep(2)
        assert duties.held == ["good"] and good.ended == []
        async with store.read() as tx:
            row = await tx.row("SELECT ends_at FROM leases WHERE name = 'good'")
        assert row is not None and row[0] > store.clock.now()
        running.cancel()

    in_virtual_time(live)


def test_a_duty_that_only_fails_is_begun_ever_later() -> None:
    async def live(loop: VirtualLoop) -> list[float]:
        store = await weather(loop)
        duties = Duties(store, "me")
        began: list[float] = []

        async def fails(lease: Lease) -> None:
            began.append(loop.time())
            raise KeyError("a bug")

        duties.offer("duty", fails)
        running = asyncio.create_task(duties.run())
        await asyncio.sleep(100)
        running.cancel()
        return began

    began = in_virtual_time(live)
    assert [round(after - before) for before, after in itertools.pairwise(began)] == [1, 2, 4, 8, 16, 30, 30]
