"""The log: every committed change once, in the order of commits, whoever reads while others write.

PostgreSQL draws a row's number before its transaction commits. The proof holds one writer exactly there,
between its number and its commit, lets another pass if it can, and reads in between. It is also shown to
fail for two wrong ways of appending, so that it is known to prove something.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.store.conftest import HandClock, NewStore, fresh_url

from trivet.errors import Busy
from trivet.ids import SystemIds
from trivet.store import log
from trivet.store.follower import Follower
from trivet.store.postgres import PostgresStore
from trivet.store.store import Store
from trivet.store.tx import Change

_GATE = 42

_SLOW_COMMIT = f"""
    CREATE FUNCTION hold_the_slow_one() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.noun = 'slow' THEN PERFORM pg_advisory_xact_lock({_GATE}); END IF;
        RETURN NEW;
    END $$
"""
_NUMBER_WITHOUT_TURN = log.POSTGRES_APPEND.replace(f"pg_advisory_xact_lock({log._TURN_LOCK})", "1")
_NUMBER_BEFORE_TURN = (
    "WITH told AS (SELECT pg_notify('trivet', '')), new AS ("
    + log.POSTGRES_APPEND[log.POSTGRES_APPEND.index("INSERT") :]
    + f" RETURNING seq) SELECT pg_advisory_xact_lock({log._TURN_LOCK}) FROM new"
)


async def say(store: Store, noun: str, id: str = "1") -> None:
    async with store.write() as tx:
        tx.note(Change(noun=noun, id=id, verb="created", revision=1))


async def read_all(store: Store, after: int = 0) -> list[tuple[int, str]]:
    async with store.read() as tx:
        return [(event.seq, event.noun) for event in await log.read(tx, after)]


async def test_a_reader_goes_on_from_the_last_event_it_saw(store: Store) -> None:
    for noun in ("a", "b", "c"):
        await say(store, noun)
    first, second, third = await read_all(store)
    assert [first[1], second[1], third[1]] == ["a", "b", "c"]
    assert first[0] < second[0] < third[0]
    assert await read_all(store, second[0]) == [third]
    async with store.read() as tx:
        assert await log.head(tx) == third[0]
        assert len(await log.read(tx, 0, limit=2)) == 2


async def test_who_was_away_too_long_is_told_so(store: Store, clock: HandClock) -> None:
    await say(store, "old")
    await say(store, "old")
    clock.at += 100
    await say(store, "new")
    (first, _), _, (newest, _) = await read_all(store)
    async with store.write() as tx:
        assert await log.drop_before(tx, clock.at - 50) == 2
    with pytest.raises(log.Forgotten):
        await read_all(store, first)
    assert await read_all(store, newest) == []
    async with store.write() as tx:
        assert await log.drop_before(tx, clock.at + 1000) == 0, "the newest event tells where the log stands"


async def test_a_number_that_was_rolled_back_is_no_gap(store: Store) -> None:
    await say(store, "a")
    with pytest.raises(ZeroDivisionError):
        async with store.write() as tx:
            tx.note(Change(noun="lost", id="1", verb="created", revision=1))
            raise ZeroDivisionError
    await say(store, "b")
    assert [noun for _, noun in await read_all(store)] == ["a", "b"]


async def test_a_commit_wakes_who_waits_in_this_process(store: Store) -> None:
    waiting = asyncio.create_task(store.wake.wait(60))
    await asyncio.sleep(0)
    await say(store, "a")
    await asyncio.wait_for(waiting, 60)


@pytest.mark.postgres
async def test_a_commit_wakes_who_waits_in_another_process(request: pytest.FixtureRequest, clock: HandClock) -> None:
    url = fresh_url(request)
    one, two = PostgresStore(url, clock, SystemIds()), PostgresStore(url, clock, SystemIds())
    await one.open()
    await one.migrate()
    await two.open()
    waiting = asyncio.create_task(two.wake.wait(60))
    await asyncio.sleep(0)
    await say(one, "a")
    await asyncio.wait_for(waiting, 60)
    await one.close()
    await two.close()


async def test_a_follower_among_many_writers_sees_every_event_once_and_in_order(new_store: NewStore) -> None:
    stores = [new_store() for _ in range(4)]
    await stores[0].open()
    await stores[0].migrate()
    for other in stores[1:]:
        await other.open()

    async def write(store: Store, name: str) -> None:
        for n in range(25):
            await say(store, name, str(n))

    writers = asyncio.gather(*(write(store, f"{w}-{v}") for w, store in enumerate(stores) for v in range(3)))
    seen: list[int] = []
    while True:
        done = writers.done()
        async with stores[0].read() as tx:
            events = await log.read(tx, seen[-1] if seen else 0, limit=7)
        seen += [event.seq for event in events]
        if done and not events:
            break
        await asyncio.sleep(0)
    await writers
    everything = [seq for seq, _ in await read_all(stores[0])]
    assert len(everything) == 4 * 3 * 25
    assert seen == everything
    for store in stores:
        await store.close()


class Listener:
    """One that fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.heard: list[str] = []

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Busy("store.away", "The database cannot be reached at the moment; try again.")

    async def on_events(self, events: list[log.Event]) -> None:
        self._fail()
        self.heard += [event.noun for event in events]

    async def on_resync(self) -> None:
        self._fail()
        self.heard.append("everything")


async def test_who_could_not_take_in_an_event_looks_at_everything_and_the_others_go_on(store: Store) -> None:
    follower, failing, well = Follower(store), Listener(failures=2), Listener()
    follower.listen("failing", failing.on_events, failing.on_resync)
    follower.listen("well", well.on_events, well.on_resync)
    await follower.start()
    for noun in ("a", "b", "c", "d"):
        await say(store, noun)
        await follower.step()
    assert well.heard == ["a", "b", "c", "d"]
    assert failing.heard == ["everything", "d"]


async def test_who_could_not_look_at_everything_is_told_again_when_nothing_new_happens(
    store: Store, clock: HandClock
) -> None:
    await say(store, "old")
    follower, failing, well = Follower(store), Listener(failures=1), Listener()
    follower.listen("failing", failing.on_events, failing.on_resync)
    follower.listen("well", well.on_events, well.on_resync)
    clock.at += 100
    await say(store, "new")
    async with store.write() as tx:
        await log.drop_before(tx, clock.at - 50)
    await follower.step()
    await follower.step()
    assert (failing.heard, well.heard) == (["everything"], ["everything"])


# -- the proof for PostgreSQL


@pytest.fixture
async def postgres(request: pytest.FixtureRequest, clock: HandClock) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore(fresh_url(request), clock, SystemIds())
    await opened.open()
    await opened.migrate()
    async with opened.write() as tx:
        await tx.run(_SLOW_COMMIT)
        await tx.run("CREATE TRIGGER slow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION hold_the_slow_one()")
    yield opened
    await opened.close()


async def waiting_for_locks(store: PostgresStore) -> int:
    async with store.read() as tx:
        row = await tx.row("SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    assert row is not None
    return int(row[0])


async def nouns_that_a_reader_sees(store: PostgresStore) -> list[str]:
    """Two commits that overlap in the worst way, and a reader that looks in between and then again."""
    seen: list[tuple[int, str]] = []
    async with store.read() as gate:
        await gate.rows(f"SELECT pg_advisory_lock({_GATE})")
        slow = asyncio.create_task(say(store, "slow"))
        async with asyncio.timeout(60):
            while await waiting_for_locks(store) < 1:
                await asyncio.sleep(0.001)
        quick = asyncio.create_task(say(store, "quick"))
        async with asyncio.timeout(60):
            while not quick.done() and await waiting_for_locks(store) < 2:
                await asyncio.sleep(0.001)
        seen += await read_all(store)
        await gate.rows(f"SELECT pg_advisory_unlock({_GATE})")
        await asyncio.gather(slow, quick)
    seen += await read_all(store, seen[-1][0] if seen else 0)
    return [noun for _, noun in seen]


@pytest.mark.postgres
async def test_a_reader_never_misses_a_row_that_commits_late(postgres: PostgresStore) -> None:
    assert await nouns_that_a_reader_sees(postgres) == ["slow", "quick"]


@pytest.mark.postgres
async def test_the_proof_fails_if_numbers_are_drawn_without_a_turn(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _NUMBER_WITHOUT_TURN != log.POSTGRES_APPEND
    monkeypatch.setattr(log, "POSTGRES_APPEND", _NUMBER_WITHOUT_TURN)
    assert await nouns_that_a_reader_sees(postgres) == ["quick"]


@pytest.mark.postgres
async def test_the_proof_fails_if_the_number_is_drawn_before_the_turn(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "POSTGRES_APPEND", _NUMBER_BEFORE_TURN)
    assert await nouns_that_a_reader_sees(postgres) == ["quick"]
