"""Claims: all of it or nothing, never more than there is, and given back as it was taken."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.store.conftest import HandClock, fresh_url

from trivet.domain.placement import choosing, claims
from trivet.domain.placement.choosing import Want
from trivet.domain.placement.claims import Consumer
from trivet.ids import SystemIds
from trivet.store.postgres import PostgresStore
from trivet.store.store import Store
from trivet.store.tx import Tx


def consumer(id: str) -> Consumer:
    return Consumer(id, "p1", "u1", "INSTANCE")


async def provide(tx: Tx, id: str, *, traits: tuple[str, ...] = (), parent: str | None = None, **capacity: int) -> None:
    """A provider with so much of each class (in lower case); step and unit sizes are 1 and all of it."""
    await tx.run("INSERT INTO providers VALUES (?, ?, ?, ?, 0, 0.0, 0.0)", id, id, parent, parent or id)
    for name, total in capacity.items():
        await tx.run(
            "INSERT INTO inventories VALUES (?, ?, ?, 0, 1, ?, 1, 1.0, ?, 0, ?)",
            id,
            name.upper(),
            total,
            total,
            total,
            total,
        )
    for trait in traits:
        await tx.run("INSERT INTO provider_traits VALUES (?, ?)", id, trait)


async def usage(store: Store) -> dict[str, tuple[int, int]]:
    async with store.read() as tx:
        rows = await tx.rows("SELECT provider_id, class, used, free FROM inventories")
    return {f"{row[0]}:{row[1]}": (row[2], row[3]) for row in rows}


async def test_placing_takes_every_class_and_freeing_gives_all_back(store: Store) -> None:
    async with store.write() as tx:
        await provide(tx, "h1", vcpu=4, memory_mb=1000)
        assert await choosing.place(tx, consumer("s1"), Want(resources={"VCPU": 3, "MEMORY_MB": 600})) == "h1"
    assert await usage(store) == {"h1:VCPU": (3, 1), "h1:MEMORY_MB": (600, 400)}
    async with store.write() as tx:
        assert await claims.held(tx, "s1") == {"h1": {"VCPU": 3, "MEMORY_MB": 600}}
        assert await claims.free(tx, "s1")
        assert not await claims.free(tx, "s1"), "the second time there is nothing to give back"
    assert await usage(store) == {"h1:VCPU": (0, 4), "h1:MEMORY_MB": (0, 1000)}
    async with store.read() as tx:
        assert await claims.held(tx, "s1") == {}
        assert list(await tx.rows("SELECT id FROM consumers")) == []


async def test_a_claim_that_lacks_one_class_takes_none(store: Store) -> None:
    async with store.write() as tx:
        await provide(tx, "h1", vcpu=4, memory_mb=100)
        await provide(tx, "h2", vcpu=1, memory_mb=1000)
        assert not await claims.take(tx, consumer("s1"), {"h1": {"VCPU": 2}, "h2": {"VCPU": 2, "MEMORY_MB": 10}})
        assert await choosing.place(tx, consumer("s1"), Want(resources={"VCPU": 2, "MEMORY_MB": 200})) is None
        assert not await claims.take(tx, consumer("s1"), {"h1": {"VGPU": 1}})
    assert all(used == 0 for used, _ in (await usage(store)).values())
    async with store.read() as tx:
        assert list(await tx.rows("SELECT id FROM consumers")) == []


@pytest.mark.parametrize("amount", [1, 3, 10])
async def test_smallest_largest_and_step_sizes_are_kept(store: Store, amount: int) -> None:
    async with store.write() as tx:
        await provide(tx, "h1", vcpu=100)
        await tx.run("UPDATE inventories SET min_unit = 2, max_unit = 8, step_size = 2")
    async with store.write() as tx:
        assert await choosing.place(tx, consumer("s1"), Want(resources={"VCPU": amount})) is None
        assert not await claims.take(tx, consumer("s1"), {"h1": {"VCPU": amount}})
        assert not await claims.replace(tx, [(consumer("s1"), {"h1": {"VCPU": amount}})])
        assert await claims.take(tx, consumer("s1"), {"h1": {"VCPU": 4}})


async def test_a_place_must_fit_the_wishes(store: Store) -> None:
    async with store.write() as tx:
        await provide(tx, "plain", vcpu=8)
        await provide(tx, "ssd", vcpu=8, traits=("SSD",))
        await provide(tx, "slow", vcpu=8, traits=("SSD", "SLOW"))
        await provide(tx, "part", vcpu=99, parent="plain")

    async def fitting(**wishes: object) -> set[str]:
        async with store.read() as tx:
            return set(await choosing.look(tx, Want(resources={"VCPU": 1}, **wishes)))  # type: ignore[arg-type] # a few kinds of wishes

    assert await fitting() == {"plain", "ssd", "slow"}
    assert await fitting(required=frozenset({"SSD"})) == {"ssd", "slow"}
    assert await fitting(required=frozenset({"SSD"}), forbidden=frozenset({"SLOW"})) == {"ssd"}
    assert await fitting(only=frozenset({"ssd", "part"})) == {"ssd"}
    assert await fitting(excluded=frozenset({"ssd"})) == {"plain", "slow"}


async def test_the_emptiest_goes_first_or_the_fullest_if_so_wished(store: Store) -> None:
    async with store.write() as tx:
        await provide(tx, "small", vcpu=10)
        await provide(tx, "big", vcpu=100)
        assert await choosing.look(tx, Want(resources={"VCPU": 1})) == ["big", "small"]
        assert await choosing.look(tx, Want(resources={"VCPU": 1}, spread=False)) == ["small", "big"]


async def test_equally_good_providers_come_in_a_random_order(store: Store) -> None:
    async with store.write() as tx:
        for n in range(6):
            await provide(tx, f"h{n}", vcpu=10)
        orders = {tuple(await choosing.look(tx, Want(resources={"VCPU": 1}))) for _ in range(20)}
    assert len(orders) > 1


async def test_replacing_moves_capacity_between_consumers_in_one_step(store: Store) -> None:
    async with store.write() as tx:
        await provide(tx, "h1", vcpu=4)
        await provide(tx, "h2", vcpu=4)
        assert await claims.take(tx, consumer("a"), {"h1": {"VCPU": 4}})
        assert await claims.take(tx, consumer("b"), {"h2": {"VCPU": 4}})
    async with store.write() as tx:
        swapped = [(consumer("a"), {"h2": {"VCPU": 4}}), (consumer("b"), {"h1": {"VCPU": 4}})]
        assert await claims.replace(tx, swapped)
    async with store.write() as tx:
        assert await claims.held(tx, "a") == {"h2": {"VCPU": 4}}
        assert not await claims.replace(tx, [(consumer("c"), {"h1": {"VCPU": 1}})])
    async with store.write() as tx:
        assert await claims.replace(tx, [(consumer("a"), {}), (consumer("c"), {"h2": {"VCPU": 1}})])
    assert await usage(store) == {"h1:VCPU": (4, 0), "h2:VCPU": (1, 3)}


async def test_less_may_be_held_where_the_capacity_was_lowered_below_what_is_used(store: Store) -> None:
    async with store.write() as tx:
        await provide(tx, "h1", vcpu=8)
        assert await claims.take(tx, consumer("a"), {"h1": {"VCPU": 8}})
        await tx.run("UPDATE inventories SET total = 4, capacity = 4, free = -4")
        assert await claims.replace(tx, [(consumer("a"), {"h1": {"VCPU": 6}})])
        assert not await claims.replace(tx, [(consumer("a"), {"h1": {"VCPU": 7}})])
        assert await claims.replace(tx, [(consumer("a"), {"h1": {"VCPU": 6}})])
        assert await choosing.place(tx, consumer("b"), Want(resources={"VCPU": 1})) is None


async def test_every_change_moves_the_generations_on(store: Store) -> None:
    async def generations(tx: Tx) -> tuple[int, int]:
        row = await tx.row("SELECT p.generation, c.generation FROM providers p, consumers c")
        assert row is not None
        return row[0], row[1]

    async with store.write() as tx:
        await provide(tx, "h1", vcpu=8, memory_mb=10)
        await claims.take(tx, consumer("a"), {"h1": {"VCPU": 1, "MEMORY_MB": 1}})
        assert await generations(tx) == (1, 1)
        await claims.replace(tx, [(consumer("a"), {"h1": {"VCPU": 2, "MEMORY_MB": 1}})])
        assert await generations(tx) == (2, 2)


async def take_the_last_one_twice(one: Store, two: Store) -> list[bool]:
    """The second looks and finds room before the first has committed."""
    async with one.write() as tx:
        await provide(tx, "h1", vcpu=1)

    async def claim(store: Store, id: str, looked: asyncio.Event, go: asyncio.Event) -> bool:
        async with store.write() as tx:
            assert await choosing.look(tx, Want(resources={"VCPU": 1})) == ["h1"]
            looked.set()
            await go.wait()
            return await claims.take(tx, consumer(id), {"h1": {"VCPU": 1}})

    looked = [asyncio.Event(), asyncio.Event()]
    go = asyncio.Event()
    both = [asyncio.create_task(claim(store, f"s{n}", looked[n], go)) for n, store in enumerate((one, two))]
    for event in looked:
        await event.wait()
    go.set()
    return await asyncio.gather(*both)


@pytest.fixture
async def two_on_postgres(request: pytest.FixtureRequest, clock: HandClock) -> AsyncIterator[tuple[Store, Store]]:
    """On SQLite the second writer cannot look before the first has committed."""
    url = fresh_url(request)
    one, two = PostgresStore(url, clock, SystemIds()), PostgresStore(url, clock, SystemIds())
    await one.open()
    await one.migrate()
    await two.open()
    yield one, two
    await one.close()
    await two.close()


@pytest.mark.postgres
async def test_of_two_who_saw_the_last_unit_one_gets_it(two_on_postgres: tuple[Store, Store]) -> None:
    assert sorted(await take_the_last_one_twice(*two_on_postgres)) == [False, True]
    assert await usage(two_on_postgres[0]) == {"h1:VCPU": (1, 0)}


@pytest.mark.postgres
async def test_the_proof_fails_if_a_claim_is_a_look_and_then_a_write(
    two_on_postgres: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_WITHIN", "? > 0")
    assert await take_the_last_one_twice(*two_on_postgres) == [True, True]
    assert await usage(two_on_postgres[0]) == {"h1:VCPU": (2, -1)}
