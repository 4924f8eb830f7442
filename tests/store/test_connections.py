"""Connections to PostgreSQL: as many as allowed, lent in turn, and none is lost, whatever becomes of who had it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.postgres import PostgresCluster

from trivet.clock import SystemClock
from trivet.errors import Busy, NotFound
from trivet.ids import SystemIds
from trivet.store.connections import Connections
from trivet.store.postgres import PostgresStore
from trivet.store.tx import Tx

pytestmark = pytest.mark.postgres

MOST = 2
PATIENCE_S = 60.0


@pytest.fixture
def url(postgres_cluster: PostgresCluster) -> str:
    return postgres_cluster.migrated_database()


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(url, SystemClock(), SystemIds(), connections=MOST, patience_s=PATIENCE_S)
    await made.open()
    yield made
    await made.close()


async def backend(tx: Tx) -> int:
    row = await tx.row("SELECT pg_backend_pid()")
    assert row is not None
    return int(row[0])


async def backend_of(store: PostgresStore) -> int:
    async with store.read() as tx:
        return await backend(tx)


async def kill(url: str, pid: int) -> None:
    operator = await asyncpg.connect(url)
    await operator.execute("SELECT pg_terminate_backend($1, 60000)", pid)
    await operator.close()


async def all_are_there(store: PostgresStore) -> None:
    """As many transactions as connections can be open at once: none is lost, and none is lent twice."""
    async with asyncio.timeout(PATIENCE_S), store.read() as one, store.read() as two:
        assert await backend(one) != await backend(two)


async def test_many_at_once_share_few_and_all_get_their_turn(store: PostgresStore) -> None:
    assert len(set(await asyncio.gather(*(backend_of(store) for _ in range(40))))) <= MOST
    await all_are_there(store)


async def test_one_after_the_other_uses_the_same(store: PostgresStore) -> None:
    assert len({await backend_of(store) for _ in range(5)}) == 1


async def test_one_that_died_at_hand_is_not_lent_again(url: str) -> None:
    connections = Connections(lambda: asyncpg.connect(url), MOST, PATIENCE_S)
    died = await connections.take()
    connections.give_back(died)
    await kill(url, died.get_server_pid())
    async with asyncio.timeout(PATIENCE_S):
        while not died.is_closed():
            await asyncio.sleep(0.01)
    for one in (taken := [await connections.take() for _ in range(MOST)]):
        assert not one.is_closed()
    for one in taken:
        connections.give_back(one)
    await connections.close()


async def test_who_waits_gets_another_in_place_of_one_that_died(store: PostgresStore, url: str) -> None:
    with pytest.raises(Busy):
        async with store.read() as one, store.read() as two:
            waiting = [asyncio.create_task(backend_of(store)) for _ in range(3)]
            await kill(url, await backend(one))
            await kill(url, await backend(two))
            await backend(two)
    assert len(set(await asyncio.gather(*waiting))) <= MOST
    await all_are_there(store)


async def test_who_is_told_to_stop_while_he_waits_leaves_all_behind(store: PostgresStore) -> None:
    async with store.read(), store.read():
        waiting = [asyncio.create_task(backend_of(store)) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    # These have been given theirs, and have not run since.
    waiting[1].cancel()
    waiting[2].cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in ended] == [True, True, True, False]
    await all_are_there(store)


@pytest.mark.parametrize("writing", [False, True], ids=["reading", "writing"])
async def test_who_is_told_to_stop_in_a_statement_leaves_no_one_waiting_for_its_end(url: str, *, writing: bool) -> None:
    async def sleep() -> None:
        async with store.write() if writing else store.read() as tx:
            os.kill(await backend(tx), signal.SIGSTOP)
            began.set()
            await tx.row("SELECT 1")

    began = asyncio.Event()
    store = PostgresStore(url, SystemClock(), SystemIds(), connections=1, patience_s=PATIENCE_S)
    await store.open()
    frozen = await backend_of(store)
    try:
        sleeping = asyncio.create_task(sleep())
        await began.wait()
        await asyncio.sleep(0)
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)
        async with asyncio.timeout(PATIENCE_S / 2):
            assert await backend_of(store) != frozen
    finally:
        os.kill(frozen, signal.SIGCONT)
        await store.close()


@pytest.mark.parametrize("writing", [False, True], ids=["reading", "writing"])
async def test_a_database_that_was_empty_for_a_while_is_found_again_at_once(
    store: PostgresStore, url: str, *, writing: bool
) -> None:
    """As a failover may lead to one: connections in steady use would stay with it for ever."""

    async def look() -> None:
        async with store.write() if writing else store.read() as tx:
            await tx.row("SELECT name FROM leases")

    async def all_look() -> list[object]:
        return await asyncio.gather(*(look() for _ in range(MOST)), return_exceptions=True)

    name = url.rpartition("/")[2]
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    await all_look()
    operator = await asyncpg.connect(url)
    await operator.execute(f"ALTER DATABASE {name} SET search_path = nowhere")
    await operator.execute(others, name)
    for _ in range(3):
        assert all(isinstance(one, Busy) for one in await all_look())
    await operator.execute(f"ALTER DATABASE {name} RESET search_path")
    await operator.close()
    assert await all_look() == [None] * MOST


async def test_a_refusal_costs_no_connection(store: PostgresStore) -> None:
    before = await backend_of(store)
    for context in (store.read(), store.write()):
        with pytest.raises(NotFound):
            async with context:
                raise NotFound("thing.absent", "There is none.")
    assert await backend_of(store) == before


async def test_nobody_waits_for_what_is_closed(store: PostgresStore) -> None:
    async with store.read(), store.read():
        waiting = asyncio.create_task(backend_of(store))
        await asyncio.sleep(0)
        await store.close()
        with pytest.raises(Busy):
            async with asyncio.timeout(PATIENCE_S / 2):
                await waiting
    with pytest.raises(Busy):
        await backend_of(store)


async def test_nobody_waits_for_ever(url: str) -> None:
    connections = Connections(lambda: asyncpg.connect(url), 1, 0.05)
    lent = await connections.take()
    with pytest.raises(TimeoutError):
        await connections.take()
    connections.give_back(lent)
    assert await connections.take() is lent
    connections.give_back(lent)
    await connections.close()


async def test_what_nobody_uses_is_closed_and_made_again_when_needed(url: str) -> None:
    async def connect() -> Any:
        made.append(await asyncpg.connect(url))
        return made[-1]

    made: list[Any] = []
    connections = Connections(connect, MOST, PATIENCE_S, idle_s=0.05)
    for _ in range(2):
        taken = [await connections.take(), await connections.take()]
        for one in taken:
            connections.give_back(one)
        async with asyncio.timeout(PATIENCE_S):
            while not all(one.is_closed() for one in made):
                await asyncio.sleep(0.01)
    assert len(made) == 2 * MOST
    await connections.close()
