"""Leases: one holder at a time, a late holder's writes do not count, and no time of day says who holds what."""

import pytest
from tests.store.conftest import HandClock

from trivet.store import leases
from trivet.store.leases import Lease, Lost, Sightings
from trivet.store.store import Store

LENGTH_S = 10.0
LOOK_S = 2.0


class Process:
    """As one that wants the lease sees it."""

    def __init__(self, store: Store, clock: HandClock, holder: str) -> None:
        self.store = store
        self.clock = clock
        self.holder = holder
        self.sightings = Sightings(clock, LENGTH_S)

    async def take(self) -> Lease | None:
        async with self.store.write() as tx:
            return await leases.take(tx, "sweep", self.holder, LENGTH_S, self.sightings)

    async def watch(self, seconds: float) -> Lease | None:
        """Ask every two seconds, for so long or until it is had."""
        end = self.clock.steady + seconds
        while (taken := await self.take()) is None and self.clock.steady < end:
            self.clock.wait(LOOK_S)
        return taken


@pytest.fixture
def one(store: Store, clock: HandClock) -> Process:
    return Process(store, clock, "a")


@pytest.fixture
def two(store: Store, clock: HandClock) -> Process:
    return Process(store, clock, "b")


async def held(process: Process) -> Lease:
    lease = await process.take()
    assert lease is not None
    return lease


async def renew(lease: Lease, store: Store) -> None:
    async with store.write() as tx:
        await leases.renew(tx, lease, LENGTH_S)


async def test_a_lease_has_one_holder_until_nothing_was_heard_of_him_for_its_length(one: Process, two: Process) -> None:
    assert (await held(one)).token == 1
    assert await two.watch(LENGTH_S - LOOK_S) is None
    two.clock.wait(LOOK_S)
    assert (await held(two)).token == 2
    assert await one.take() is None


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
async def test_a_clock_that_jumps_neither_takes_a_lease_from_the_living_nor_leaves_it_with_the_dead(
    one: Process, two: Process, jump_s: float
) -> None:
    first = await held(one)
    for _ in range(20):
        one.clock.at += jump_s
        await renew(first, one.store)
        assert await two.take() is None
        one.clock.wait(LOOK_S)
    one.clock.at += jump_s
    second = await two.watch(LENGTH_S + LOOK_S)
    assert second is not None and second.token == 2
    with pytest.raises(Lost):
        await renew(first, one.store)


async def test_a_silence_that_the_watcher_shared_takes_a_lease_from_nobody(one: Process, two: Process) -> None:
    """Both were frozen, or the database was away."""
    first = await held(one)
    assert await two.take() is None
    two.clock.wait(3600)
    assert await two.take() is None
    await renew(first, one.store)
    assert await two.watch(LENGTH_S - LOOK_S) is None


async def test_taking_again_is_a_new_term_and_renewing_is_not(one: Process) -> None:
    first = await held(one)
    await renew(first, one.store)
    second = await held(one)
    assert (first.token, second.token) == (1, 2)
    async with one.store.read() as tx:
        await leases.confirm(tx, second)
        with pytest.raises(Lost):
            await leases.confirm(tx, first)


async def test_renew_all_prolongs_only_what_is_still_held(store: Store) -> None:
    async with store.write() as tx:
        for name, holder in (("kept", "a"), ("given back", "a"), ("other", "b")):
            await leases.take(tx, name, holder, LENGTH_S)
        await leases.release(tx, "given back", "a")
        assert await leases.renew_all(tx, "a", LENGTH_S) == {"kept"}


async def test_a_lease_given_back_is_free_at_once_and_its_token_goes_on(one: Process, two: Process) -> None:
    lease = await held(one)
    async with one.store.write() as tx:
        await leases.release(tx, "sweep", "b")
    assert await two.take() is None
    async with one.store.write() as tx:
        await leases.release(tx, "sweep", "a")
        with pytest.raises(Lost):
            await leases.fence(tx, lease)
    assert (await held(two)).token == 2


async def test_the_fence_lets_the_holder_write_and_stops_who_slept_through_its_end(one: Process, two: Process) -> None:
    store = one.store
    lease = await held(one)
    async with store.write() as tx:
        await leases.fence(tx, lease)
        await tx.run("INSERT INTO log_dropped VALUES (1)")
    assert await two.watch(LENGTH_S + LOOK_S) is not None
    with pytest.raises(Lost):
        async with store.write() as tx:
            await tx.run("INSERT INTO log_dropped VALUES (2)")
            await leases.fence(tx, lease)
    async with store.read() as tx:
        assert [row[0] for row in await tx.rows("SELECT seq FROM log_dropped ORDER BY seq")] == [0, 1]


async def test_a_lease_that_nobody_took_is_still_its_holders(one: Process) -> None:
    """However long he slept: a successor would have a higher token."""
    lease = await held(one)
    one.clock.wait(3600)
    async with one.store.write() as tx:
        await leases.fence(tx, lease)


async def test_what_a_process_of_an_earlier_version_left_is_taken_when_nobody_renews_it(two: Process) -> None:
    """It wrote times of day, here of a clock that went an hour before ours."""
    async with two.store.write() as tx:
        await tx.run("INSERT INTO leases VALUES ('sweep', 'old', 7, ?)", two.clock.at + 3600)
    taken = await two.watch(LENGTH_S + LOOK_S)
    assert taken is not None and taken.token == 8


async def test_a_turn_lasts_until_the_commit_and_no_longer(two_stores: tuple[Store, Store]) -> None:
    for store in (*two_stores, *two_stores):
        async with store.write() as tx:
            await leases.take_turn(tx, "numbers")


async def test_of_two_processes_at_once_one_gets_it(two_stores: tuple[Store, Store], clock: HandClock) -> None:
    taken = [await Process(store, clock, name).take() for store, name in zip(two_stores, "ab", strict=True)]
    assert [lease is not None for lease in taken] == [True, False]
