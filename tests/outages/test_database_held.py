"""SQLite's file in the hands of another program: whoever only looks does not notice, who writes waits for a while."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.store.conftest import HandClock
from trivet.clock import SystemClock
from trivet.errors import Busy
from trivet.ids import SystemIds
from trivet.store import log
from trivet.store.sqlite import SqliteStore
from trivet.store.tx import Change

NEWS = Change(noun="things", id="1", verb="updated", revision=1)
PATIENCE_S = 0.2


class Stepping(SystemClock):
    """Time passes only for who sleeps."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db", SystemClock(), SystemIds(), patience_s=PATIENCE_S)
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    other = sqlite3.connect(folder / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


async def say(store: SqliteStore) -> None:
    async with store.write() as tx:
        tx.note(NEWS)


async def test_who_looks_does_not_wait_for_who_writes(store: SqliteStore, tmp_path: Path) -> None:
    store.clock = HandClock()
    with held(tmp_path):
        saying = asyncio.create_task(say(store))
        for _ in range(5):
            await asyncio.sleep(0)
            async with store.read() as tx:
                assert await log.head(tx) == 0
        assert not saying.done()
    await saying
    async with store.read() as tx:
        assert await log.head(tx) == 1


async def test_all_who_write_are_told_after_a_while_and_not_one_after_the_other(
    store: SqliteStore, tmp_path: Path
) -> None:
    with held(tmp_path):
        store.clock = clock = Stepping()
        told = await asyncio.gather(*(say(store) for _ in range(20)), return_exceptions=True)
        assert {type(error) for error in told} == {Busy}
        assert clock.at < 2 * PATIENCE_S


async def test_who_writes_is_told_after_a_while_and_may_come_again(store: SqliteStore, tmp_path: Path) -> None:
    with held(tmp_path):
        with pytest.raises(Busy) as told:
            await say(store)
        assert told.value.code == "store.busy"
    await say(store)


@pytest.mark.parametrize("replaced", [False, True])
async def test_nothing_is_acknowledged_that_goes_to_a_file_nobody_will_find(
    store: SqliteStore, tmp_path: Path, replaced: bool
) -> None:
    await say(store)
    (tmp_path / "db").rename(tmp_path / "kept")
    if replaced:
        (tmp_path / "db").write_bytes((tmp_path / "kept").read_bytes())
    with pytest.raises(Busy) as told:
        await say(store)
    assert told.value.code == "store.away"
    (tmp_path / "kept").rename(tmp_path / "db")
    await say(store)
    async with store.read() as tx:
        assert await log.head(tx) == 2


async def test_a_file_that_is_no_database_any_more_is_told_as_away(store: SqliteStore, tmp_path: Path) -> None:
    await say(store)
    store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "db").write_bytes(b"\0" * 8192)
    other = SqliteStore(tmp_path / "db", SystemClock(), SystemIds())
    with pytest.raises(Busy):
        await other.open()
