"""Which verified tokens a process remembers: a token that is remembered gives the same Caller again."""

import gc

import msgspec
import pytest
from tests.api.one_service import MINE, Skewed, _signing_key, caller_of

from trivet.domain.callers import Caller
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.errors import Forbidden

MORE_THAN_ARE_REMEMBERED = 6_000


@pytest.fixture
def clock() -> Skewed:
    return Skewed()


@pytest.fixture
def tokens(clock: Skewed) -> Tokens:
    made = Tokens(clock)
    made.use_keys(_signing_key(), [])
    return made


def issued(tokens: Tokens, clock: Skewed, who: str, life_s: float = 3600.0) -> str:
    now = clock.now()
    caller = caller_of(MINE, user_id=who)
    return tokens.issue(msgspec.structs.replace(caller, audit_id=who, issued_at=now, ends_at=now + life_s))


def kept(who: str) -> int:
    gc.collect()
    return sum(isinstance(found, Caller) and found.user_id.startswith(who) for found in gc.get_objects())


def test_who_comes_often_stays_and_who_came_once_makes_room(tokens: Tokens, clock: Skewed) -> None:
    often, once = issued(tokens, clock, "often"), issued(tokens, clock, "once")
    callers = tokens.caller(often), tokens.caller(once)
    for n in range(MORE_THAN_ARE_REMEMBERED):
        tokens.caller(issued(tokens, clock, f"guest{n}"))
        if n % 1000 == 0:
            tokens.caller(often)
    assert tokens.caller(often) is callers[0]
    assert tokens.caller(once) is not callers[1]
    assert tokens.caller(once) == callers[1]
    assert kept("guest") <= 5_000


def test_tokens_that_ended_or_were_revoked_leave_before_there_are_too_many(tokens: Tokens, clock: Skewed) -> None:
    for n in range(40):
        tokens.caller(issued(tokens, clock, f"short{n}", 60.0))
        tokens.caller(issued(tokens, clock, f"dead{n}"))
    long = issued(tokens, clock, "long")
    caller = tokens.caller(long)
    assert (kept("short"), kept("dead")) == (40, 40)
    clock.added_s = 61.0
    for n in range(40):
        tokens.revocations.cut("user", f"dead{n}", clock.now())
    for n in range(60):
        tokens.caller(issued(tokens, clock, f"new{n}"))
    assert (kept("short"), kept("dead"), kept("new")) == (0, 0, 60)
    assert tokens.caller(long) is caller


def test_a_remembered_token_that_ended_is_refused_and_forgotten(tokens: Tokens, clock: Skewed) -> None:
    token = issued(tokens, clock, "short", 60.0)
    tokens.caller(token)
    clock.added_s = 61.0
    for _ in range(2):
        with pytest.raises(Forbidden):
            tokens.caller(token)
    assert kept("short") == 0
