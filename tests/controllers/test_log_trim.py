"""What the trimming duty forgets, and what not yet: rows of both databases, and a clock that is moved by hand."""

import pytest
from tests.store.conftest import HandClock, NewStore, clock, new_store

from trivet.controllers.log_trim import LogTrim
from trivet.domain.identity.delegation import trusts
from trivet.domain.identity.delegation.oauth import CONSUMERS, OAUTH_TOKENS, Consumer, OauthToken
from trivet.domain.identity.delegation.trusts import TRUSTS, Trust
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.errors import NotFound
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.store import Store

__all__ = ["clock", "new_store"]

DAY_S = 24 * 3600.0


def trust(id: str, *, deleted_at: float | None = None, ends_at: float | None = None) -> Trust:
    return Trust(id=id, trustor_id="a", trustee_id="b", impersonation=False, deleted_at=deleted_at, ends_at=ends_at)


def token(id: str, ends_at: float | None) -> OauthToken:
    return OauthToken(id=id, kind="access", consumer_id="c", sealed="s", project_id="p", user_id="a", ends_at=ends_at)


def trim_of(store: Store, clock: HandClock) -> LogTrim:
    parts = Parts(
        settings=Settings(),
        clock=clock,
        ids=store.ids,
        store=store,
        tokens=Tokens(clock),
        passwords=Passwords(),
        blobs=None,  # type: ignore[arg-type] # nothing here reads a blob
    )
    return LogTrim(parts)


async def test_what_was_delegated_is_told_as_ended_for_a_day_and_then_forgotten(
    new_store: NewStore, clock: HandClock
) -> None:
    store = new_store()
    await store.open()
    await store.migrate()
    trim, now = trim_of(store, clock), clock.now()
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
