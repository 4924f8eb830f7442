"""Providers that two clients change at once: by the generations that they know, and in the trees that they form."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.api.one_service import store_on
from tests.postgres import PostgresCluster

from trivet.domain.hosts import aggregates, hosts
from trivet.domain.hosts.hosts import Host
from trivet.domain.placement import providers
from trivet.errors import Conflict, Invalid
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

Act = Callable[[Tx], Awaitable[None]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    url = ""
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = cluster.migrated_database()
    opened = store_on(url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


async def test_a_host_that_joins_or_leaves_an_aggregate_is_another_for_who_knew_it_before(store: Store) -> None:
    host = Host(
        id="h", name="h", kinds=("vm",), vcpus=1, memory_mib=1, disk_gib=1, hypervisor_type="sim", created_at=0.0,
        updated_at=0.0,
    )  # fmt: skip
    async with store.write() as tx:
        await hosts.register(tx, host)
        aggregate = await aggregates.create(tx, "fast", None)
        before = await providers.need(tx, "h")
    async with store.write() as tx:
        aggregate = await aggregates.add_host(tx, aggregate, "h")
        with pytest.raises(Conflict):
            await providers.move_on(tx, before)
        joined = await providers.need(tx, "h")
    async with store.write() as tx:
        await aggregates.remove_host(tx, aggregate, "h")
        with pytest.raises(Conflict):
            await providers.move_on(tx, joined)


async def meanwhile(store: Store, first: Act, second: Act) -> list[BaseException | None]:
    """What came of the two: the second begins when the first has written and has not yet committed."""
    written = asyncio.Event()
    others: list[asyncio.Task[None]] = []

    async def write_and_wait(tx: Tx) -> None:
        await first(tx)
        written.set()
        # It ends if nothing holds it up; else it waits for our commit.
        await asyncio.wait(others, timeout=0.2)

    async def begin() -> None:
        await written.wait()
        await transact(store, second)

    others.append(asyncio.create_task(begin()))
    return await asyncio.gather(transact(store, write_and_wait), *others, return_exceptions=True)


async def test_two_providers_never_become_each_others_parent(store: Store) -> None:
    """Whoever walks up such a tree would never arrive."""
    async with store.write() as tx:
        for id in ("a", "b"):
            await providers.create(tx, id, id, None)

    async def a_below_b(tx: Tx) -> None:
        await providers.change(tx, await providers.need(tx, "a"), "a", "b", may_move=True)

    async def b_below_a(tx: Tx) -> None:
        await providers.change(tx, await providers.need(tx, "b"), "b", "a", may_move=True)

    done = await meanwhile(store, a_below_b, b_below_a)
    assert done[0] is None
    assert isinstance(done[1], Invalid)
    async with store.read() as tx:
        assert [(await providers.need(tx, id)).root_id for id in ("a", "b")] == ["b", "b"]


async def test_a_child_made_while_its_parent_moves_is_in_the_parents_new_tree(store: Store) -> None:
    async with store.write() as tx:
        for id in ("old", "new"):
            await providers.create(tx, id, id, None)
        await providers.create(tx, "parent", "parent", "old")

    async def move(tx: Tx) -> None:
        await providers.change(tx, await providers.need(tx, "parent"), "parent", "new", may_move=True)

    async def make(tx: Tx) -> None:
        await providers.create(tx, "child", "child", "parent")

    assert await meanwhile(store, move, make) == [None, None]
    async with store.read() as tx:
        assert (await providers.need(tx, "child")).root_id == "new"
