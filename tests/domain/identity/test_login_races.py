"""Logins while others change what they rest on: two processes of one cloud, the second of which is late to hear."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.api.one_service import Answer, FastPasswords
from tests.postgres import PostgresCluster

from trivet.domain.identity.people import users
from trivet.domain.identity.tokens import revocations
from trivet.errors import Forbidden
from trivet.settings import Settings
from trivet.store.store import transact
from trivet.store.tx import Tx

TRIES = 5


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Cloud, Cloud]]:
    """Nobody reads the log here, so neither hears of the other."""
    settings = Settings(lockout_tries=TRIES)
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        database = cluster.migrated_database()
    else:
        database = str(tmp_path / "trivet.db")
    clouds = (Cloud(settings, database), Cloud(settings, database))
    async with AsyncExitStack() as stack:
        for cloud in clouds:
            await stack.enter_async_context(cloud)
        yield clouds


async def from_token(cloud: Cloud, token: str) -> Answer:
    return await cloud.auth({"methods": ["token"], "token": {"id": token}})


@pytest.mark.parametrize("what", ["password", "token", "user"])
async def test_a_process_that_has_not_heard_makes_no_new_token_from_a_dead_one(
    two: tuple[Cloud, Cloud], what: str
) -> None:
    here, late = two
    user = await here.make("user", "users", name="ann", password="pw")
    token = await here.token("ann", "pw")
    assert (await from_token(late, token)).status == 201
    if what == "password":
        answer = await here.call("PATCH", f"/identity/v3/users/{user['id']}", {"user": {"password": "new"}})
    elif what == "user":
        answer = await here.call("PATCH", f"/identity/v3/users/{user['id']}", {"user": {"enabled": False}})
        await here.call("PATCH", f"/identity/v3/users/{user['id']}", {"user": {"enabled": True}})
    else:
        answer = await here.call("DELETE", "/identity/v3/auth/tokens", headers={"x-subject-token": token})
    assert answer.status in (200, 204)
    assert (await from_token(late, token)).status in (401, 404)


async def test_a_login_during_the_change_of_a_password_has_no_token_after_it(two: tuple[Cloud, Cloud]) -> None:
    """It read the old password, since the change was not committed, but after the time of the cut."""
    here, other = two
    user_id = (await here.make("user", "users", name="ann", password="old"))["id"]
    hashed = await here.parts.passwords.hash("new")
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def change(tx: Tx) -> None:
        user = await users.need(tx, user_id)
        await revocations.cut(tx, "user", user_id)
        await tx.update(users.USERS, user, passwords=(users.PasswordOf(hashed, tx.clock.now()),))
        under_way.set()
        await go_on.wait()

    changing = asyncio.create_task(transact(here.store, change))
    await under_way.wait()
    token = await other.token("ann", "old")
    go_on.set()
    await changing
    new = await here.token("ann", "new")
    for cloud in two:
        async with cloud.store.read() as tx:
            await revocations.fill(tx, cloud.parts.tokens, cloud.parts.identity_memory)
        with pytest.raises(Forbidden):
            cloud.parts.tokens.caller(token)
        assert cloud.parts.tokens.caller(new).user_id == user_id


class _SlowToMatch(FastPasswords):
    """The right password is compared only after all others."""

    def __init__(self, right: str) -> None:
        super().__init__()
        self._right = right
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def matches(self, password: str, hashed: str) -> bool:
        if password == self._right:
            self.asked.set()
            await self.go_on.wait()
        return await super().matches(password, hashed)


async def test_guesses_made_at_once_are_no_more_than_guesses_made_one_by_one(two: tuple[Cloud, Cloud]) -> None:
    here, other = two
    await here.make("user", "users", name="ann", password="pw")
    quick, slow = here.parts.passwords, _SlowToMatch("pw")
    here.parts.passwords = slow
    lucky = asyncio.create_task(here.login("ann", "pw"))
    await slow.asked.wait()
    for n in range(TRIES):
        assert (await other.login("ann", f"guess {n}")).status == 401
    slow.go_on.set()
    here.parts.passwords = quick
    assert (await lucky).status == 401, "it began before the others were counted, but is not compared before them"
    slow.close()


async def test_half_a_login_during_which_the_password_changes_is_worth_nothing(two: tuple[Cloud, Cloud]) -> None:
    here, _ = two
    options = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}
    user = await here.make("user", "users", name="ann", password="pw", options=options)
    quick, slow = here.parts.passwords, _SlowToMatch("pw")
    here.parts.passwords = slow
    half = asyncio.create_task(here.login("ann", "pw"))
    await slow.asked.wait()
    changed = await here.call("PATCH", f"/identity/v3/users/{user['id']}", {"user": {"password": "new"}})
    assert changed.status == 200
    slow.go_on.set()
    here.parts.passwords = quick
    receipt = (await half).headers["openstack-auth-receipt"]
    slow.close()
    with pytest.raises(Forbidden):
        here.parts.tokens.receipt(receipt)


@pytest.mark.parametrize("what", ["role", "group", "project", "domain"])
async def test_what_is_taken_away_while_a_password_is_compared_is_in_no_token(
    two: tuple[Cloud, Cloud], what: str
) -> None:
    """The login has read its roles by then."""
    here, other = two
    domain = await here.make("domain", "domains", name="d")
    project = await here.make("project", "projects", name="p", domain_id=domain["id"])
    user = await here.make("user", "users", name="ann", password="pw")
    group = await here.make("group", "groups", name="g")
    members = f"/identity/v3/groups/{group['id']}/users/{user['id']}"
    actor = f"groups/{group['id']}" if what == "group" else f"users/{user['id']}"
    grant = f"/identity/v3/projects/{project['id']}/{actor}/roles/{await here.role_id('member')}"
    for path in (members, grant):
        assert (await here.call("PUT", path)).status == 204
    quick, slow = here.parts.passwords, _SlowToMatch("pw")
    here.parts.passwords = slow
    login = asyncio.create_task(here.login("ann", "pw", project=("p", domain["id"])))
    await slow.asked.wait()
    taken = {
        "role": ("DELETE", grant, None),
        "group": ("DELETE", members, None),
        "project": ("PATCH", f"/identity/v3/projects/{project['id']}", {"project": {"enabled": False}}),
        "domain": ("PATCH", f"/identity/v3/domains/{domain['id']}", {"domain": {"enabled": False}}),
    }
    assert (await other.call(*taken[what])).status in (200, 204)
    slow.go_on.set()
    here.parts.passwords = quick
    answer = await login
    slow.close()
    for cloud in two:
        async with cloud.store.read() as tx:
            await revocations.fill(tx, cloud.parts.tokens, cloud.parts.identity_memory)
    if answer.status == 201:
        with pytest.raises(Forbidden):
            here.parts.tokens.caller(answer.headers["x-subject-token"])


@pytest.mark.parametrize("how", ["password", "token"])
@pytest.mark.parametrize("what", ["rule", "role between"])
async def test_a_process_that_has_not_heard_gives_no_role_by_a_rule_that_is_gone(
    two: tuple[Cloud, Cloud], what: str, how: str
) -> None:
    here, late = two
    user = await here.make("user", "users", name="ann", password="pw")
    prior, between = [(await here.make("role", "roles", name=name))["id"] for name in ("prior", "between")]
    member = await here.role_id("member")
    rules = "/identity/v3/roles/{}/implies/{}"
    for path in (rules.format(prior, between), rules.format(between, member)):
        assert (await here.call("PUT", path)).status == 201
    await here.grant(user["id"], "prior", project=here.project_id)

    async def roles_at_late() -> set[str]:
        scope = {"project": {"id": here.project_id}}
        if how == "password":
            answer = await late.login("ann", "pw", scope=scope)
        else:
            token = await late.token("ann", "pw", "unscoped")
            answer = await late.auth({"methods": ["token"], "token": {"id": token}}, scope)
        return {role["name"] for role in answer.ok("token")["roles"]}

    assert await roles_at_late() == {"prior", "between", "member", "reader"}
    path = rules.format(between, member) if what == "rule" else f"/identity/v3/roles/{between}"
    assert (await here.call("DELETE", path)).status == 204
    assert await roles_at_late() == ({"prior", "between"} if what == "rule" else {"prior"})


async def test_a_trust_is_used_at_once_only_as_often_as_it_says(two: tuple[Cloud, Cloud]) -> None:
    here, _ = two
    trustor, trustee = [(await here.make("user", "users", name=name, password="pw"))["id"] for name in ("or", "ee")]
    await here.grant(trustor, "member", project=here.project_id)
    wanted = {
        "trustor_user_id": trustor,
        "trustee_user_id": trustee,
        "project_id": here.project_id,
        "impersonation": True,
        "roles": [{"name": "member"}],
        "remaining_uses": 3,
    }
    token = await here.token("or", "pw", {"project": {"id": here.project_id}})
    trust = (await here.call("POST", "/identity/v3/OS-TRUST/trusts", {"trust": wanted}, token=token)).ok("trust")
    scope = {"OS-TRUST:trust": {"id": trust["id"]}}
    answers = await asyncio.gather(*(cloud.login("ee", "pw", scope=scope) for cloud in two * 4))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [403] * 5
    shown = await here.get(f"/identity/v3/OS-TRUST/trusts/{trust['id']}", token=token)
    assert shown.ok("trust")["remaining_uses"] == 0
