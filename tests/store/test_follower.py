"""The reader of the log, on both databases: who comes and goes, and a log that is shorter than it was."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import cast

import pytest

from trivet.store import log
from trivet.store.follower import Follower
from trivet.store.log import Event
from trivet.store.store import Store
from trivet.store.tx import Change, Tx


class Ear:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.resyncs = 0

    async def on_events(self, events: list[Event]) -> None:
        self.heard += [event.id for event in events]

    async def on_resync(self) -> None:
        self.resyncs += 1


async def say(store: Store, *ids: str) -> None:
    async with store.write() as tx:
        for id in ids:
            tx.note(Change("things", id, "updated", 1))


async def test_a_database_that_was_put_back_is_looked_at_again_and_nothing_after_that_is_missed(store: Store) -> None:
    follower, ear = Follower(store), Ear()
    await follower.start()
    follower.listen("ear", ear.on_events, ear.on_resync)
    await say(store, *"abcdef")
    await follower.step()
    async with store.write() as tx:
        head = await log.head(tx)
        await tx.run("DELETE FROM events WHERE seq > ?", head - 4)
    await follower.step()
    assert (ear.resyncs, follower.position) == (1, head - 4)
    await say(store, "new")
    await follower.step()
    assert ear.heard[-1] == "new" and ear.resyncs == 1


async def test_a_quiet_log_is_no_reason_to_look_again(store: Store) -> None:
    follower, ear = Follower(store), Ear()
    await say(store, "a")
    await follower.start()
    follower.listen("ear", ear.on_events, ear.on_resync)
    for _ in range(3):
        await follower.step()
    assert (ear.heard, ear.resyncs) == ([], 0)


async def test_who_leaves_late_takes_nobody_with_him_who_came_in_his_place(store: Store) -> None:
    follower, first, second = Follower(store), Ear(), Ear()
    await follower.start()
    follower.listen("duty", first.on_events, first.on_resync)
    follower.listen("duty", second.on_events, second.on_resync)
    follower.leave("duty", first.on_events)
    await say(store, "a")
    await follower.step()
    assert (first.heard, second.heard) == ([], ["a"])
    follower.leave("duty", second.on_events)
    await say(store, "b")
    await follower.step()
    assert second.heard == ["a"]


class Breaking:
    """A store whose reading goes wrong some times, in a way that nobody foresaw."""

    def __init__(self, store: Store, times: int) -> None:
        self.clock, self.wake, self.listen = store.clock, store.wake, store.listen
        self._store, self.left = store, times

    def read(self) -> AbstractAsyncContextManager[Tx]:
        if self.left:
            self.left -= 1
            raise ArithmeticError("a day nobody foresaw")
        return self._store.read()


async def test_trouble_that_nobody_foresaw_is_told_and_all_look_again_at_everything(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    breaking, ear = Breaking(store, 0), Ear()
    follower = Follower(cast("Store", breaking))
    await follower.start()
    follower.listen("ear", ear.on_events, ear.on_resync)
    breaking.left = 3
    await say(store, "while it was broken")
    running = asyncio.create_task(follower.run())
    try:
        await until(lambda: ear.resyncs == 1)
        await say(store, "after")
        await until(lambda: "after" in ear.heard)
    finally:
        running.cancel()
    told = [record for record in caplog.records if record.exc_info]
    assert len(told) == 3 and "a day nobody foresaw" in caplog.text
    assert [record.getMessage().rpartition(" in ")[2] for record in told] == ["1 s", "2 s", "4 s"]
    assert ear.heard == ["after"]


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not so():
            await asyncio.sleep(0.01)


async def test_who_has_just_read_the_end_of_the_log_does_not_ask_where_it_is_and_later_does(store: Store) -> None:
    follower, ear = Follower(store), Ear()
    await follower.start()
    follower.listen("ear", ear.on_events, ear.on_resync)
    await say(store, *"abc")
    running = asyncio.create_task(follower.run())
    try:
        await until(lambda: ear.heard == [*"abc"])
        async with store.write() as tx:
            await tx.run("DELETE FROM events WHERE seq > ?", follower.position - 2)
        await until(lambda: ear.resyncs == 1)
    finally:
        running.cancel()
