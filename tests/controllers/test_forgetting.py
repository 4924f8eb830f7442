"""What the duty of forgetting forgets, and what not yet: rows of both databases, and a clock that is moved by hand."""

import asyncio
from pathlib import Path

import pytest
from tests.simulation import virtual_time
from tests.simulation.virtual_time import VirtualClock, VirtualLoop
from tests.store.conftest import HandClock, NewStore, clock, new_store

from trivet.clock import Clock
from trivet.controllers.forgetting import Forgetting
from trivet.domain.identity.delegation import trusts
from trivet.domain.identity.delegation.oauth import CONSUMERS, OAUTH_TOKENS, Consumer, OauthToken
from trivet.domain.identity.delegation.trusts import TRUSTS, Trust
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.errors import NotFound
from trivet.ids import SeededIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store import leases
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store

__all__ = ["clock", "new_store"]

DAY_S = 24 * 3600.0


def trust(id: str, *, deleted_at: float | None = None, ends_at: float | None = None) -> Trust:
    return Trust(id=id, trustor_id="a", trustee_id="b", impersonation=False, deleted_at=deleted_at, ends_at=ends_at)


def token(id: str, ends_at: float | None) -> OauthToken:
    return OauthToken(id=id, kind="access", consumer_id="c", sealed="s", project_id="p", user_id="a", ends_at=ends_at)


def forgetting_of(store: Store, clock: Clock) -> Forgetting:
    parts = Parts(
        settings=Settings(),
        clock=clock,
        ids=store.ids,
        store=store,
        tokens=Tokens(clock),
        passwords=Passwords(),
        blobs=None,  # type: ignore[arg-type] # nothing here reads a blob
    )
    return Forgetting(parts)


async def test_what_was_delegated_is_told_as_ended_for_a_day_and_then_forgotten(
    new_store: NewStore, clock: HandClock
) -> None:
    store = new_store()
    await store.open()
    await store.migrate()
    trim, now = forgetting_of(store, clock), clock.now()
    async with store.write() as tx:
        for made in (trust("deleted", deleted_at=now), trust("over", ends_at=now), trust("for ever")):
            await tx.insert(TRUSTS, made)
        await tx.insert(TRUSTS, trust("later", ends_at=now + 9 * DAY_S))
        await tx.insert(CONSUMERS, Consumer(id="c", sealed="s"))
        await tx.insert(OAUTH_TOKENS, token("over", now))
        await tx.insert(OAUTH_TOKENS, token("later", now + 9 * DAY_S))

    async def left() -> tuple[set[str], set[str]]:
        async with store.write() as tx:
            while await trim.drop_delegations(tx):
                pass
            found = await tx.select(TRUSTS), await tx.select(OAUTH_TOKENS)
        return {one.id for one in found[0]}, {one.id for one in found[1]}

    clock.at = now + DAY_S
    assert await left() == ({"deleted", "over", "for ever", "later"}, {"over", "later"})
    clock.at = now + DAY_S + Settings().token_s + 1
    assert await left() == ({"for ever", "later"}, {"later"})
    async with store.read() as tx:
        with pytest.raises(NotFound):
            await trusts.need(tx, "deleted")
    await store.close()


def test_nothing_is_forgotten_by_a_clock_that_was_just_set(tmp_path: Path) -> None:
    """The class: what is dropped in a wrong hour does not come back, and a revoked token would be good again."""
    loop = VirtualLoop()
    clock = VirtualClock(loop)

    async def live() -> list[int]:
        store = SqliteStore(tmp_path / "trivet.db", clock, SeededIds(1))
        await store.open()
        await store.migrate()
        async with store.write() as tx:
            lease = await leases.take(tx, "forgetting", "me", 1e6)
            for n in range(3):
                sql = "INSERT INTO events (at, noun, noun_id, verb, revision) VALUES (?, 'n', ?, 'v', 1)"
                await tx.run(sql, clock.now(), str(n))
        assert lease is not None
        running = asyncio.create_task(forgetting_of(store, clock).run(lease))
        left = []
        for jump_s, wait_s in ((0.0, 700.0), (30 * DAY_S, 3000.0), (0.0, 3000.0), (30 * DAY_S, 5000.0)):
            clock.jumped_s = jump_s
            await asyncio.sleep(wait_s)
            async with store.read() as tx:
                left.append(len(await tx.rows("SELECT 1 FROM events")))
        running.cancel()
        await store.close()
        return left

    assert virtual_time.run(loop, live()) == [3, 3, 3, 1]
