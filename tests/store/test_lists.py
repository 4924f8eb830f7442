"""The engine of all lists: a page begins where its marker stands, whatever the order, and costs what the first one
costs. Both databases.
"""

import itertools

import msgspec
import pytest

from trivet.errors import NotFound
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Sort, Where, by_tags, order_by


class Boat(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    masts: int | None = None
    tags: tuple[str, ...] = ()


BOATS = Table("boats", Boat)
MADE = "CREATE TABLE boats (id TEXT PRIMARY KEY, revision BIGINT, project_id TEXT, name TEXT, masts BIGINT, tags TEXT)"
BY_ID: Sort = (("id", False),)
EVERYTHING = Where()


def absent(marker: str) -> NotFound:
    return NotFound("marker.absent", f"{marker} is not there.")


@pytest.fixture
async def boats(store: Store) -> Store:
    async with store.write() as tx:
        await tx.run(MADE)
        await tx.run("CREATE INDEX boats_name ON boats (name, id)")
        for n in range(12):
            boat = Boat(id=f"b{n:02}", project_id="ab"[n % 2], name="xyz"[n % 3], masts=n % 4 or None)
            await tx.insert(BOATS, boat)
    return store


async def walked(tx: Tx, sort: Sort, size: int) -> list[str]:
    """Page by page, each behind the last of the one before."""
    found: list[str] = []
    while True:
        marker = found[-1] if found else None
        page = await lists.page(
            tx, BOATS, EVERYTHING, Asked(sort=sort, limit=size, marker=marker, absent=absent), seen=EVERYTHING
        )
        if not page:
            return found
        found += [boat.id for boat in page]


async def test_pages_hold_everything_once_in_every_order(boats: Store) -> None:
    columns = ("name", BOATS.ordered("masts"))
    async with boats.read() as tx:
        for first, second, down in itertools.product((True, False), repeat=3):
            sort = ((columns[0], first), (columns[1], second), ("id", down))
            whole = [boat.id for boat in await tx.select(BOATS, order=order_by(sort))]
            for size in (1, 5, 12):
                assert await walked(tx, sort, size) == whole


async def test_a_page_can_end_before_its_marker(boats: Store) -> None:
    async with boats.read() as tx:
        asked = Asked(sort=BY_ID, limit=2, marker="b05", absent=absent, backwards=True)
        page = await lists.page(tx, BOATS, EVERYTHING, asked, seen=EVERYTHING)
    assert [boat.id for boat in page] == ["b03", "b04"]


async def test_what_is_not_seen_is_no_marker_and_what_is_seen_need_not_pass_the_filter(boats: Store) -> None:
    mine = Where().equal("project_id", "a")
    async with boats.read() as tx:
        asked = Asked(sort=BY_ID, limit=2, marker="b01", absent=absent)
        with pytest.raises(NotFound):
            await lists.page(tx, BOATS, mine, asked, seen=mine)
        asked = msgspec.structs.replace(asked, marker="b02")
        page = await lists.page(tx, BOATS, mine.copy().equal("name", "x"), asked, seen=mine)
    assert [boat.id for boat in page] == ["b06"]


async def test_what_only_the_record_tells_is_asked_lot_by_lot(boats: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_LOT", 3)
    lots: list[int] = []

    async def odd(lot: list[Boat]) -> list[Boat]:
        lots.append(len(lot))
        return [boat for boat in lot if int(boat.id[1:]) % 2]

    async with boats.read() as tx:
        asked = Asked(sort=(("name", True), ("id", False)), limit=3, absent=absent)
        page = await lists.page(tx, BOATS, EVERYTHING, asked, seen=EVERYTHING, keep=odd)
        assert [boat.id for boat in page] == ["b05", "b11", "b01"]
        assert sum(lots) < 12
        asked = msgspec.structs.replace(asked, marker="b01", limit=None)
        page = await lists.page(tx, BOATS, EVERYTHING, asked, seen=EVERYTHING, keep=odd)
    assert [boat.id for boat in page] == ["b07", "b03", "b09"]


async def test_rows_that_are_no_records_are_paged_alike(boats: Store) -> None:
    async with boats.read() as tx:
        asked = Asked(sort=BY_ID, limit=2, marker="b03", absent=absent)
        found = await lists.rows(tx, "boats", ("id", "name"), EVERYTHING, asked, seen=EVERYTHING)
        assert [tuple(row) for row in found] == [("b04", "y"), ("b05", "z")]
        assert await lists.count(tx, "boats", Where().equal("name", "x")) == 4


async def test_a_page_is_found_in_the_index_and_not_by_reading_what_comes_before(boats: Store) -> None:
    """In SQLite's own words: a SEARCH begins at the place, a SCAN at the beginning."""
    if not isinstance(boats, SqliteStore):
        return
    orders: list[Sort] = [(("name", False), ("id", False)), (("name", True), ("id", False))]
    for sort in orders:
        where = Where().after(sort, ("y", "b04"))
        async with boats.read() as tx:
            plan = await tx.rows(
                f"EXPLAIN QUERY PLAN SELECT * FROM boats{where.sql} ORDER BY {order_by(sort)} LIMIT 2", *where.values
            )
        assert "SEARCH boats USING INDEX boats_name" in str([tuple(row) for row in plan])


@pytest.mark.parametrize(
    ("how", "tags", "found"),
    [
        ("tags", ["a"], ["1", "2"]),
        ("tags", ["a", "b"], ["2"]),
        ("tags-any", ["a", "b"], ["1", "2", "3"]),
        ("not-tags", ["a", "b"], ["0", "1", "3"]),
        ("not-tags-any", ["a", "b"], ["0"]),
        ("tags", ['"'], []),
    ],
)
async def test_tags_are_found_in_their_column(store: Store, how: str, tags: list[str], found: list[str]) -> None:
    async with store.write() as tx:
        await tx.run(MADE)
        for n, worn in enumerate([("aa",), ("a",), ("a", "b"), ("b", "ab")]):
            await tx.insert(BOATS, Boat(id=str(n), project_id="a", name="x", tags=worn))
    async with store.read() as tx:
        asked = Asked(sort=BY_ID, absent=absent)
        page = await lists.page(tx, BOATS, by_tags(Where(), "tags", how, tags), asked, seen=EVERYTHING)
    assert [boat.id for boat in page] == found


async def test_words_are_found_to_the_letter_on_both_databases(store: Store) -> None:
    async with store.write() as tx:
        await tx.run(MADE)
        for name in ("Ab%c", "abc", "bcd_"):
            await tx.insert(BOATS, Boat(id=name, project_id="a", name=name))
    async with store.read() as tx:
        for where, wanted in (
            (Where().holding("name", "b"), ["Ab%c", "abc", "bcd_"]),
            (Where().holding("name", "%"), ["Ab%c"]),
            (Where().holding("name", "_"), ["bcd_"]),
            (Where().beginning("name", "a"), ["abc"]),
            (Where().ending("name", "c"), ["Ab%c", "abc"]),
            (Where().ending("name", ""), ["Ab%c", "abc", "bcd_"]),
            (Where().ending("name", "longer than any of them"), []),
            (Where().either([Where().equal("name", "abc"), Where().beginning("name", "A")]), ["Ab%c", "abc"]),
            (Where().either([]), []),
            (Where().no(Where().holding("name", "d")), ["Ab%c", "abc"]),
            (Where().inside("id", "SELECT name FROM boats", Where().equal("name", "abc")), ["abc"]),
        ):
            page = await lists.page(tx, BOATS, where, Asked(sort=BY_ID, absent=absent), seen=EVERYTHING)
            assert sorted(boat.id for boat in page) == sorted(wanted), where.sql
