"""Several processes on one database: what one revokes or rotates, the others hear of through the log."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.postgres import PostgresCluster

from trivet.clock import Clock, SystemClock
from trivet.controllers.signing_keys import KeyController
from trivet.domain.callers import Caller
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.tokens import revocations, signing_keys
from trivet.domain.identity.tokens.revocations import IdentityListener
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.domain.secrets import Secrets
from trivet.errors import Busy, Forbidden
from trivet.ids import SystemIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.follower import Follower
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store
from trivet.store.tx import Change


@dataclass
class Process:
    store: Store
    tokens: Tokens
    memory: IdentityMemory
    secrets: Secrets
    follower: Follower

    @classmethod
    async def start(cls, store: Store, secret: bytes = b"the key file") -> "Process":
        tokens, memory, secrets = Tokens(store.clock), IdentityMemory(), Secrets(secret)
        follower = Follower(store)
        listener = IdentityListener(store, tokens, memory, secrets, 3600)
        follower.listen("identity", listener.on_events, listener.on_resync)
        await follower.start()
        async with store.write() as tx:
            await signing_keys.load(tx, tokens, secrets)
        async with store.read() as tx:
            await revocations.fill(tx, tokens, memory)
        return cls(store, tokens, memory, secrets, follower)

    def caller(self, **fields: str) -> Caller:
        now = self.store.clock.now()
        return Caller(
            user_id=fields.get("user_id", "ann"),
            roles=frozenset(("member",)),
            project_id=fields.get("project_id", "p"),
            audit_id=self.store.ids.secret()[:22],
            issued_at=now,
            ends_at=now + 3600,
        )

    def accepts(self, token: str) -> bool:
        try:
            self.tokens.caller(token)
        except Forbidden:
            return False
        return True


class Later(SystemClock):
    def __init__(self, by_s: float) -> None:
        self.by_s = by_s

    def now(self) -> float:
        return super().now() + self.by_s


def parts_of(process: Process, clock: Clock) -> Parts:
    return Parts(
        settings=Settings(),
        clock=clock,
        ids=process.store.ids,
        store=process.store,
        tokens=process.tokens,
        secrets=process.secrets,
        passwords=Passwords(),
        blobs=None,  # type: ignore[arg-type] # nothing here reads a blob
    )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Store]]:
    clock, ids = SystemClock(), SystemIds()
    found: list[Store]
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = cluster.migrated_database()
        found = [PostgresStore(url, clock, ids, connections=2) for _ in range(2)]
    else:
        found = [SqliteStore(tmp_path / "trivet.db", clock, ids) for _ in range(2)]
    for store in found:
        await store.open()
    await found[0].migrate()
    yield found
    for store in found:
        await store.close()


async def test_a_token_of_one_process_is_good_in_the_other_until_it_is_revoked_in_either(stores: list[Store]) -> None:
    one, two = [await Process.start(store) for store in stores]
    caller = one.caller()
    token, other = one.tokens.issue(caller), one.tokens.issue(one.caller())
    assert two.accepts(token)
    async with one.store.write() as tx:
        await revocations.cut(tx, "token", caller.audit_id)
    await two.follower.step()
    assert not two.accepts(token)
    assert two.accepts(other)


async def test_a_process_that_starts_later_knows_what_was_revoked_before(stores: list[Store]) -> None:
    one = await Process.start(stores[0])
    token = one.tokens.issue(one.caller())
    async with one.store.write() as tx:
        await revocations.cut(tx, "user", "ann")
    two = await Process.start(stores[1])
    assert not two.accepts(token)
    assert two.accepts(two.tokens.issue(two.caller()))


async def test_what_was_remembered_is_forgotten_when_another_process_writes(stores: list[Store]) -> None:
    one, two = [await Process.start(store) for store in stores]
    generation = two.memory.generation
    two.memory.keep("word", "old", generation)
    async with one.store.write() as tx:
        tx.note(Change(noun="users", id="ann", verb="updated", revision=2))
    await two.follower.step()
    assert two.memory.get("word") is None
    two.memory.keep("word", "read before the change", generation)
    assert two.memory.get("word") is None


async def test_a_rotation_interrupts_nobody_and_the_second_one_ends_the_oldest_key(stores: list[Store]) -> None:
    one, two = [await Process.start(store) for store in stores]
    oldest = one.tokens.issue(one.caller())
    async with one.store.write() as tx:
        await signing_keys.rotate(tx, one.secrets)
    await one.follower.step()
    newer = one.tokens.issue(one.caller())
    assert two.accepts(newer), "the other process knew the next key before it heard of the rotation"
    await two.follower.step()
    assert two.accepts(oldest) and two.accepts(newer)
    async with two.store.write() as tx:
        await signing_keys.rotate(tx, two.secrets)
    await one.follower.step()
    await two.follower.step()
    for process in (one, two):
        assert not process.accepts(oldest)
        assert process.accepts(newer)


async def test_the_keys_rotate_once_a_month_and_never_twice_within_the_life_of_a_token(stores: list[Store]) -> None:
    one = await Process.start(stores[0])
    later = Later(30 * 24 * 3600 + 1)
    keys = KeyController(parts_of(one, later))
    token = one.tokens.issue(one.caller())
    for _ in range(6):
        async with one.store.write() as tx:
            tx.clock = later
            await keys.change(tx)
        await one.follower.step()
        later.by_s += 600
    assert one.accepts(token), "the key that signed it is the previous one, and stays for a month"
    async with one.store.read() as tx:
        assert len(await tx.select(signing_keys.SIGNING_KEYS)) == 3, "they have rotated"


async def test_old_revocations_are_dropped_once_nothing_can_rest_on_them(stores: list[Store]) -> None:
    one = await Process.start(stores[0])
    async with one.store.write() as tx:
        await revocations.cut(tx, "user", "ann")
        assert await revocations.drop_before(tx, tx.clock.now() - 60) == 0
        assert await revocations.drop_before(tx, tx.clock.now() + 60) == 1


async def test_without_the_key_file_nobody_signs(stores: list[Store]) -> None:
    await Process.start(stores[0])
    with pytest.raises(Busy):
        await Process.start(stores[1], secret=b"another file")
    async with stores[0].read() as tx:
        rows = await tx.rows("SELECT sealed FROM signing_keys")
    assert rows and not any("PRIVATE" in row[0] for row in rows)


async def test_a_process_forgets_revocations_that_can_hit_nobody_any_more(stores: list[Store]) -> None:
    tokens = Tokens(stores[0].clock)
    listener = IdentityListener(stores[0], tokens, IdentityMemory(), Secrets(), 3600)
    now = stores[0].clock.now()
    for number in range(2000):
        tokens.revocations.cut("token", f"old{number}", now - 7200)
    async with stores[0].write() as tx:
        await revocations.cut(tx, "token", "new")
    tokens.revocations.cut("token", "new", now)
    await listener.on_events([])
    assert set(tokens.revocations.cutoffs) == {("token", "new")}
