"""Leases: one holder at a time, and a late holder's writes do not count."""

import pytest
from tests.store.conftest import HandClock

from trivet.store import leases
from trivet.store.leases import Lost
from trivet.store.store import Store


async def take(store: Store, holder: str, seconds: float = 10) -> leases.Lease | None:
    async with store.write() as tx:
        return await leases.take(tx, "sweep", holder, seconds)


async def test_a_lease_has_one_holder_until_it_ends(store: Store, clock: HandClock) -> None:
    first = await take(store, "a")
    assert first is not None and first.token == 1
    assert await take(store, "b") is None
    clock.at += 10.001
    second = await take(store, "b")
    assert second is not None and second.token == 2
    assert await take(store, "a") is None


async def test_a_clock_that_is_set_back_leaves_no_lease_with_the_dead(store: Store, clock: HandClock) -> None:
    first = await take(store, "a")
    assert first is not None
    clock.at -= 3600
    second = await take(store, "b")
    assert second is not None and second.token == 2, "nobody takes a lease for an hour: this one is from before"
    async with store.write() as tx:
        with pytest.raises(Lost):
            await leases.fence(tx, first)


async def test_a_clock_that_is_set_forward_gives_a_lease_to_one_more_and_never_to_two(
    store: Store, clock: HandClock
) -> None:
    first = await take(store, "a")
    clock.at += 3600
    second = await take(store, "b")
    clock.at -= 3600
    assert first is not None and second is not None
    async with store.write() as tx:
        assert await leases.renew_all(tx, "a", 10) == set()
        with pytest.raises(Lost):
            await leases.confirm(tx, first)
        await leases.confirm(tx, second)


async def test_renewing_keeps_the_token_and_coming_back_late_does_not(store: Store, clock: HandClock) -> None:
    assert await take(store, "a") is not None
    clock.at += 9
    renewed = await take(store, "a")
    assert renewed is not None and renewed.token == 1 and renewed.ends_at == clock.at + 10
    clock.at += 11
    late = await take(store, "a")
    assert late is not None and late.token == 2


async def test_renew_all_prolongs_only_what_is_still_held(store: Store, clock: HandClock) -> None:
    async with store.write() as tx:
        await leases.take(tx, "short", "a", 5)
        await leases.take(tx, "long", "a", 50)
        await leases.take(tx, "other", "b", 50)
    clock.at += 6
    async with store.write() as tx:
        assert await leases.renew_all(tx, "a", 50) == {"long"}


async def test_a_lease_given_back_is_free_at_once_and_its_token_goes_on(store: Store) -> None:
    await take(store, "a")
    async with store.write() as tx:
        await leases.release(tx, "sweep", "b")
    assert await take(store, "b") is None
    async with store.write() as tx:
        await leases.release(tx, "sweep", "a")
    following = await take(store, "b")
    assert following is not None and following.token == 2


async def test_the_fence_lets_the_holder_write_and_stops_who_slept_through_its_end(
    store: Store, clock: HandClock
) -> None:
    lease = await take(store, "a")
    assert lease is not None
    async with store.write() as tx:
        await leases.fence(tx, lease)
        await tx.run("INSERT INTO log_dropped VALUES (1)")
    clock.at += 11
    assert await take(store, "b") is not None
    with pytest.raises(Lost):
        async with store.write() as tx:
            await tx.run("INSERT INTO log_dropped VALUES (2)")
            await leases.fence(tx, lease)
    async with store.read() as tx:
        assert [row[0] for row in await tx.rows("SELECT seq FROM log_dropped ORDER BY seq")] == [0, 1]


async def test_a_fence_does_not_hold_for_a_lease_that_ended_untaken(store: Store, clock: HandClock) -> None:
    lease = await take(store, "a")
    assert lease is not None
    clock.at += 11
    with pytest.raises(Lost):
        async with store.write() as tx:
            await leases.fence(tx, lease)


async def test_of_two_processes_at_once_one_gets_it(two_stores: tuple[Store, Store]) -> None:
    one, two = two_stores
    taken = [await take(one, "a"), await take(two, "b")]
    assert [lease is not None for lease in taken] == [True, False]
