"""Records: what is written comes back as itself, whoever writes late loses, and nothing half-done stays."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from trivet.errors import Conflict, NotFound, Stale
from trivet.store import log
from trivet.store.store import Store, transact
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where, order_by


class Wheel(msgspec.Struct, frozen=True):
    inches: float
    spokes: int | None = None


class Bike(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    wheels: tuple[Wheel, ...] = ()
    stolen: bool = False
    price: float = 0.0
    gears: int | None = None
    tags: dict[str, str] = {}


BIKES = Table("bikes", Bike)


@pytest.fixture(autouse=True)
async def bikes(store: Store) -> None:
    async with store.write() as tx:
        await tx.run(
            "CREATE TABLE bikes (id TEXT PRIMARY KEY, revision BIGINT NOT NULL, project_id TEXT NOT NULL,"
            " name TEXT NOT NULL UNIQUE, wheels TEXT NOT NULL, stolen BIGINT NOT NULL,"
            " price DOUBLE PRECISION NOT NULL, gears BIGINT, tags TEXT NOT NULL)"
        )


def a_bike(id: str = "b1", **said: object) -> Bike:
    return msgspec.structs.replace(Bike(id=id, project_id="p1", name=id), **said)


async def test_a_record_comes_back_as_it_was_written(store: Store) -> None:
    written = a_bike(
        wheels=(Wheel(28.0, 36), Wheel(26.5)), stolen=True, price=12.5, gears=27, tags={"öl": "käse 'x' ? %s"}
    )
    async with store.write() as tx:
        await tx.insert(BIKES, written)
    async with store.read() as tx:
        assert await tx.get(BIKES, "b1") == written
        assert await tx.get(BIKES, "none") is None
        with pytest.raises(NotFound, match="Bike none could not be found"):
            await tx.need(BIKES, "none", "bike")


async def test_an_update_counts_the_revision_and_changes_only_what_was_said(store: Store) -> None:
    async with store.write() as tx:
        bike = await tx.insert(BIKES, a_bike(gears=3))
        again = await tx.update(BIKES, bike, stolen=True, wheels=(Wheel(20.0),))
    async with store.read() as tx:
        assert await tx.get(BIKES, "b1") == again == a_bike(gears=3, stolen=True, wheels=(Wheel(20.0),), revision=2)


async def test_an_update_that_changes_nothing_writes_nothing(store: Store) -> None:
    async with store.write() as tx:
        bike = await tx.insert(BIKES, a_bike())
    async with store.write() as tx:
        assert await tx.update(BIKES, bike, stolen=False) is bike
        assert tx.changes == []


async def test_a_field_can_be_emptied(store: Store) -> None:
    async with store.write() as tx:
        bike = await tx.insert(BIKES, a_bike(gears=3))
        await tx.update(BIKES, bike, gears=None)
    async with store.read() as tx:
        found = await tx.get(BIKES, "b1")
    assert found is not None and found.gears is None


async def test_who_writes_from_an_old_reading_is_stale(store: Store) -> None:
    async with store.write() as tx:
        bike = await tx.insert(BIKES, a_bike())
        await tx.update(BIKES, bike, gears=1)
    with pytest.raises(Stale):
        async with store.write() as tx:
            await tx.update(BIKES, bike, gears=2)
    with pytest.raises(Stale):
        async with store.write() as tx:
            await tx.delete(BIKES, bike)
    async with store.read() as tx:
        found = await tx.get(BIKES, "b1")
    assert found is not None and found.gears == 1


async def test_transact_runs_a_loser_again_until_it_wins(store: Store) -> None:
    async with store.write() as tx:
        old = await tx.insert(BIKES, a_bike(gears=0))
        await tx.update(BIKES, old, gears=1)
    readings = [old]

    async def add_one(tx: Tx) -> int:
        bike = readings.pop() if readings else await tx.need(BIKES, "b1", "bike")
        assert bike.gears is not None
        return (await tx.update(BIKES, bike, gears=bike.gears + 1)).revision

    assert await transact(store, add_one) == 3
    async with store.read() as tx:
        assert (await tx.need(BIKES, "b1", "bike")).gears == 2


async def test_an_error_takes_back_everything_events_included(store: Store) -> None:
    async with store.write() as tx:
        await tx.insert(BIKES, a_bike("kept"))
    with pytest.raises(ZeroDivisionError):
        async with store.write() as tx:
            await tx.insert(BIKES, a_bike("lost"))
            raise ZeroDivisionError
    async with store.read() as tx:
        assert [bike.id for bike in await tx.select(BIKES)] == ["kept"]
        assert [event.id for event in await log.read(tx, 0)] == ["kept"]


async def test_a_savepoint_can_be_undone_alone_and_they_nest(store: Store) -> None:
    async with store.write() as tx:
        await tx.run("INSERT INTO log_dropped VALUES (1)")
        await tx.savepoint()
        await tx.run("INSERT INTO log_dropped VALUES (2)")
        await tx.savepoint()
        await tx.run("INSERT INTO log_dropped VALUES (3)")
        await tx.undo()
        await tx.keep()
        await tx.savepoint()
        await tx.run("INSERT INTO log_dropped VALUES (4)")
        await tx.undo()
    async with store.read() as tx:
        assert [row[0] for row in await tx.rows("SELECT seq FROM log_dropped ORDER BY seq")] == [0, 1, 2]


async def test_whatever_the_order_of_savepoints_only_what_was_undone_is_gone(
    store: Store, chance: random.Random
) -> None:
    async with store.write() as tx:
        await tx.run("DELETE FROM log_dropped")
    expected: list[int] = []
    for transaction in range(20):
        async with store.write() as tx:
            begun: list[int] = []
            for number in range(30):
                step = chance.choice(["write", "write", "savepoint", "undo", "keep"])
                if step == "savepoint" and len(begun) < 4:
                    await tx.savepoint()
                    begun.append(len(expected))
                elif step == "undo" and begun:
                    await tx.undo()
                    del expected[begun.pop() :]
                elif step == "keep" and begun:
                    await tx.keep()
                    begun.pop()
                else:
                    expected.append(100 * transaction + number)
                    await tx.run("INSERT INTO log_dropped VALUES (?)", expected[-1])
        async with store.read() as tx:
            assert [row[0] for row in await tx.rows("SELECT seq FROM log_dropped ORDER BY seq")] == expected


async def test_a_second_of_the_same_key_is_a_conflict(store: Store) -> None:
    async with store.write() as tx:
        await tx.insert(BIKES, a_bike("b1", name="red"))
    with pytest.raises(Conflict):
        async with store.write() as tx:
            await tx.insert(BIKES, a_bike("b2", name="red"))
    async with store.write() as tx:
        assert not await tx.insert_new(BIKES, a_bike("b2", name="red"))
        assert await tx.insert_new(BIKES, a_bike("b2", name="blue"))


async def test_selecting_by_conditions_order_and_marker(store: Store) -> None:
    async with store.write() as tx:
        for n, (project, price) in enumerate([("p1", 3.0), ("p2", 1.0), ("p1", 1.0), ("p1", 2.0), ("p3", 2.0)]):
            await tx.insert(BIKES, a_bike(f"b{n}", project_id=project, price=price))
    sort = [("price", True), ("id", False)]

    async def ids(where: Where, limit: int | None = None) -> list[str]:
        async with store.read() as tx:
            return [bike.id for bike in await tx.select(BIKES, where, order=order_by(sort), limit=limit)]

    assert await ids(Where()) == ["b0", "b3", "b4", "b1", "b2"]
    assert await ids(Where().equal("project_id", "p1"), limit=2) == ["b0", "b3"]
    assert await ids(Where().any_of("project_id", ["p2", "p3"])) == ["b4", "b1"]
    assert await ids(Where().any_of("project_id", [])) == []
    assert await ids(Where().none_of("project_id", ["p1"])) == ["b4", "b1"]
    assert await ids(Where().equal("gears", None)) == ["b0", "b3", "b4", "b1", "b2"]
    assert await ids(Where().after(sort, (2.0, "b3"))) == ["b4", "b1", "b2"]


async def test_changes_are_told_in_the_log_with_whose_they_are(store: Store) -> None:
    async with store.write() as tx:
        bike = await tx.insert(BIKES, a_bike(), detail="from the shop")
        bike = await tx.update(BIKES, bike, note="painted", gears=5)
        await tx.delete(BIKES, bike)
    async with store.read() as tx:
        told = [(e.noun, e.id, e.verb, e.revision, e.project_id, e.detail) for e in await log.read(tx, 0)]
    assert told == [
        ("bikes", "b1", "created", 1, "p1", "from the shop"),
        ("bikes", "b1", "updated", 2, "p1", "painted"),
        ("bikes", "b1", "deleted", 2, "p1", None),
    ]


async def test_who_listens_hears_of_a_commit_before_its_writer_goes_on(store: Store) -> None:
    heard: list[str] = []

    async def listen(changes: Sequence[Change]) -> None:
        async with store.read() as tx:
            # It is committed by now.
            heard.extend([change.id for change in changes if await tx.get(BIKES, change.id) is not None])

    store.commits.listen(listen)
    with pytest.raises(RuntimeError):
        async with store.write() as tx:
            await tx.insert(BIKES, a_bike(id="undone"))
            raise RuntimeError
    async with store.write() as tx:
        await tx.insert(BIKES, a_bike())
        assert heard == []
    assert heard == ["b1"]
