"""Revocations: tokens issued up to a moment that rest on something are dead from that moment.

The row is for processes that start later, its event for those that run: each keeps in memory what can
still matter (tokens.Revocations). Processes hear of it when they follow the log, well within a second.
"""

import logging
from collections.abc import Sequence
from typing import Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.tokens import signing_keys
from trivet.domain.identity.tokens.tokens import Tokens, rests_on, unauthorized
from trivet.domain.secrets import Secrets
from trivet.errors import TrivetError
from trivet.store import log
from trivet.store.log import Event
from trivet.store.store import Store, transact
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx, Verb
from trivet.store.where import Where

_logger = logging.getLogger(__name__)
What = Literal["token", "chain", "user", "grant", "project", "domain", "app_credential", "trust", "oauth"]


class Revocation(Record, frozen=True, kw_only=True):
    what: What
    target: str
    cutoff: float
    wider: str | None = None
    """What is cut instead, should there be too many of these: `user/ID`."""


EACH_MAX = 10_000
REVOCATIONS = Table("revocations", Revocation, logged=False)

NOUNS = frozenset(
    (
        "projects",
        "users",
        "user_groups",
        "roles",
        "assignments",
        "implied_roles",
        "app_credentials",
        "trusts",
        "regions",
        "services",
        "endpoints",
        "endpoint_filters",
        "endpoint_groups",
        "service_providers",
    )
)
"""What a process may have in its memory."""
_NOUNS = sorted(NOUNS)


async def is_current(tx: Tx, memory: IdentityMemory) -> bool:
    """Whether what was in the memory when this was called is still so: the log may hold what we have not heard of."""
    return await log.nothing_since(tx, memory.heard_to, _NOUNS)


async def cut(tx: Tx, what: What, target: str, *, of: tuple[What, str] | None = None) -> None:
    """Tokens that rest on it are dead, once this commits.

    `of`: what else they all rest on, if that is a tenant's own and he makes such things without end. When he has
    revoked thousands within a token's life, all that rests on that is dead at once, and the thousands are forgotten.
    """
    wider = f"{of[0]}/{of[1]}" if of is not None else None
    if of is not None and await _are_many(tx, wider):
        await tx.run("DELETE FROM revocations WHERE wider = ?", wider)
        (what, target), wider = of, None
    row = Revocation(id=tx.ids.hex(), what=what, target=target, cutoff=tx.clock.now(), wider=wider)
    await tx.insert(REVOCATIONS, row)
    _say(tx, row, "created")


async def _are_many(tx: Tx, wider: str | None) -> bool:
    row = await tx.row("SELECT COUNT(*) FROM revocations WHERE wider = ?", wider)
    return row is not None and int(row[0]) >= EACH_MAX


def under(caller: Caller) -> tuple[What, str]:
    """What all tokens of this kind rest on: what was lent, or else the user."""
    if caller.app_credential_id is not None:
        return "app_credential", caller.app_credential_id
    if caller.trust_id is not None:
        return "trust", caller.trust_id
    if caller.oauth_token_id is not None:
        return "oauth", caller.oauth_token_id
    return "user", caller.user_id


async def committed(store: Store, tokens: Tokens, memory: IdentityMemory, changes: Sequence[Change]) -> None:
    """This process does not wait for the log to hear of what it has written itself: whoever asked for it would, once
    answered, still find it otherwise."""
    for change in changes:
        apply(tokens, memory, change)
    cuts = _slipped_past(changes)
    if cuts:
        try:
            await transact(store, lambda tx: _cut_later(tx, cuts))
        except TrivetError as error:
            # What was asked is done, and all that was open before it is cut.
            _logger.warning("Logins of this very moment may have slipped past a revocation: %s", error)


def _slipped_past(changes: Sequence[Change]) -> list[str]:
    """The ids of those that a login may have slipped past while the transaction of these changes was open."""
    found = []
    for change in changes:
        if change.noun == "revocations" and change.verb == "created" and change.detail is not None:
            what = msgspec.json.decode(change.detail, type=tuple[What, str, float])[0]
            # Of a token, and of what was made from it, nothing new can be had by a password.
            if what not in ("token", "chain"):
                found.append(change.id)
    return found


async def _cut_later(tx: Tx, ids: Sequence[str]) -> None:
    """Repeats cuts after their commit: a login that ran meanwhile still read what was true before."""
    for row in await tx.select(REVOCATIONS, Where().any_of("id", ids), order="id"):
        _say(tx, await tx.update(REVOCATIONS, row, cutoff=tx.clock.now()), "updated")


def _say(tx: Tx, row: Revocation, verb: Verb) -> None:
    said = msgspec.json.encode((row.what, row.target, row.cutoff)).decode()
    tx.note(Change(noun="revocations", id=row.id, verb=verb, revision=row.revision, detail=said))


async def fill(tx: Tx, tokens: Tokens, memory: IdentityMemory) -> None:
    """All that can still matter, for a process that starts or was away."""
    head = await log.head(tx)
    for row in await tx.select(REVOCATIONS):
        tokens.revocations.cut(row.what, row.target, row.cutoff)
    memory.forget()
    memory.heard_to = head


async def hit(tx: Tx, tokens: Tokens, caller: Caller) -> bool:
    """Whether a token of this caller is dead, also by what this process has not heard of yet.

    For who makes something from it that would outlive it: that is newer than the cut-off and would never be hit.
    """
    where = Where().add("cutoff >= ?", caller.issued_at).any_of("target", {id for _, id in rests_on(caller)})
    for row in await tx.select(REVOCATIONS, where):
        tokens.revocations.cut(row.what, row.target, row.cutoff)
    return tokens.revocations.hit(caller)


async def refuse_dead(tx: Tx, tokens: Tokens, caller: Caller) -> None:
    if await hit(tx, tokens, caller):
        raise unauthorized()


async def drop_before(tx: Tx, at: float) -> int:
    """Forget those before which every token has ended by now."""
    return await tx.run("DELETE FROM revocations WHERE cutoff < ?", at)


def apply(tokens: Tokens, memory: IdentityMemory, change: Change | Event) -> None:
    if change.noun == "revocations" and change.detail is not None:
        what, target, at = msgspec.json.decode(change.detail, type=tuple[str, str, float])
        tokens.revocations.cut(what, target, at)
    elif change.noun in NOUNS:
        memory.forget()


_TRIM_FROM = 1000
_SQL_ALL = "SELECT what, target, cutoff FROM revocations"


class IdentityListener:
    """What a process does about the log for its tokens, signing keys and what it remembers of identity.

    Give its two methods to the Follower.
    """

    def __init__(self, store: Store, tokens: Tokens, memory: IdentityMemory, secrets: Secrets, token_s: float) -> None:
        self._store = store
        self._tokens = tokens
        self._memory = memory
        self._secrets = secrets
        self._token_s = token_s
        """How long a token lives: what was cut before that hits nobody any more."""
        self._trim_at = _TRIM_FROM

    async def on_events(self, events: list[Event]) -> None:
        for event in events:
            apply(self._tokens, self._memory, event)
            self._memory.heard_to = event.seq
        revocations = self._tokens.revocations
        if len(revocations.cutoffs) > self._trim_at:
            revocations.forget_before(self._store.clock.now() - self._token_s)
            await self._forget_dropped()
            self._trim_at = max(_TRIM_FROM, 2 * len(revocations.cutoffs))
        if any(event.noun == "signing_keys" for event in events):
            async with self._store.read() as tx:
                await signing_keys.reload(tx, self._tokens, self._secrets)

    async def _forget_dropped(self) -> None:
        """What made room for something wider is in no row any more; that is."""
        revocations = self._tokens.revocations
        known = set(revocations.cutoffs)
        async with self._store.read() as tx:
            rows = [(str(what), str(target), at) for what, target, at in await tx.rows(_SQL_ALL)]
        for what, target, at in rows:
            revocations.cut(what, target, at)
        revocations.drop(known - {(what, target) for what, target, _ in rows})

    async def on_resync(self) -> None:
        async with self._store.read() as tx:
            await fill(tx, self._tokens, self._memory)
            await signing_keys.reload(tx, self._tokens, self._secrets)
