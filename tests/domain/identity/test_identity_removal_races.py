"""Something is removed while something else is made that belongs to it: two processes on PostgreSQL, on SQLite two
requests that wait for each other's transaction. Who comes second is told why not, in identity's words.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import msgspec
import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.api.one_service import Answer, OneService
from tests.domain.identity.test_dead_tokens import filled
from tests.postgres import PostgresCluster
from tests.programs import PATIENCE_S

from trivet.settings import Settings
from trivet.store.postgres import PostgresStore
from trivet.store.store import Store
from trivet.store.tx import Tx

API = "/identity/v3"
Call = Callable[[Cloud], Coroutine[Any, Any, Answer]]
C = TypeVar("C", bound=OneService)


class Case(msgspec.Struct, frozen=True):
    """What is removed and what is made of it, and how whoever comes second is answered."""

    remove: str
    make: tuple[str, str, Any]
    absent: int = 404
    """To make it when it is removed already."""
    removed: int = 204
    """To remove it when the other is made already."""
    token: str = "admin"


_NEW_ENDPOINT = {"interface": "public", "url": "http://a"}
_TRUST = {
    "trustor_user_id": "{ann}",
    "trustee_user_id": "{user}",
    "impersonation": True,
    "project_id": "{project}",
    "roles": [{"name": "member"}],
}
_GRANT = "projects/{project}/users/{user}/roles/{role}"
_GROUP_GRANT = "projects/{project}/groups/{group}/roles/{role}"
_MEMBER = "groups/{group}/users/{user}"
_EC2 = ("POST", "users/{ann}/credentials/OS-EC2", {"tenant_id": "{project}"})
_TOTP = {"credential": {"type": "totp", "blob": "GEZDGNBV", "user_id": "{user}"}}
_LIMIT = {"service_id": "{service}", "resource_name": "things", "resource_limit": 5, "project_id": "{project}"}
_PROVIDER = {"identity_provider": {"domain_id": "{domain}"}}
CASES = {
    "a project below it": Case("projects/{project}", ("POST", "projects", {"project": {"name": "b",
        "parent_id": "{project}"}}), removed=403, absent=400),
    "a user in its domain": Case("domains/{domain}", ("POST", "users", {"user": {"name": "b",
        "domain_id": "{domain}"}})),
    "a group in its domain": Case("domains/{domain}", ("POST", "groups", {"group": {"name": "b",
        "domain_id": "{domain}"}})),
    "a role of its domain": Case("domains/{domain}", ("POST", "roles", {"role": {"name": "b",
        "domain_id": "{domain}"}})),
    "an identity provider of its domain": Case("domains/{domain}", ("PUT", "OS-FEDERATION/identity_providers/b",
        _PROVIDER)),
    "a role for the user": Case("users/{user}", ("PUT", _GRANT, None)),
    "a role on the project": Case("projects/{project}", ("PUT", _GRANT, None)),
    "the role for a user": Case("roles/{role}", ("PUT", _GRANT, None)),
    "a role for the group": Case("groups/{group}", ("PUT", _GROUP_GRANT, None)),
    "the role that another implies": Case("roles/{role}", ("PUT", "roles/{prior}/implies/{role}", None)),
    "the role that implies another": Case("roles/{prior}", ("PUT", "roles/{prior}/implies/{role}", None)),
    "a member of the group": Case("groups/{group}", ("PUT", _MEMBER, None)),
    "a group for the user": Case("users/{user}", ("PUT", _MEMBER, None)),
    "an endpoint of the service": Case("services/{service}", ("POST", "endpoints",
        {"endpoint": {**_NEW_ENDPOINT, "service_id": "{service}"}}), absent=400),
    "an endpoint in the region": Case("regions/{region}", ("POST", "endpoints",
        {"endpoint": {**_NEW_ENDPOINT, "service_id": "{service}", "region_id": "{region}"}}), absent=400,
        removed=403),
    "a region below it": Case("regions/{region}", ("POST", "regions", {"region": {"id": "b",
        "parent_region_id": "{region}"}})),
    "a registered limit of the service": Case("services/{service}", ("POST", "registered_limits",
        {"registered_limits": [{"service_id": "{service}", "resource_name": "b", "default_limit": 1}]}), absent=400,
        removed=409),
    "a limit below the registered one": Case("registered_limits/{registered}", ("POST", "limits",
        {"limits": [_LIMIT]}), absent=403, removed=403),
    "a policy of the service": Case("services/{service}", ("PUT",
        "policies/{policy}/OS-ENDPOINT-POLICY/services/{service}", None)),
    "an endpoint shown to the project": Case("projects/{project}", ("PUT",
        "OS-EP-FILTER/projects/{project}/endpoints/{endpoint}", None)),
    "an endpoint group shown to the project": Case("projects/{project}", ("PUT",
        "OS-EP-FILTER/endpoint_groups/{endpoint_group}/projects/{project}", None)),
    "a trust in the user": Case("users/{user}", ("POST", "OS-TRUST/trusts", {"trust": _TRUST}), token="ann"),
    "a trust for the project": Case("projects/{project}", ("POST", "OS-TRUST/trusts", {"trust": _TRUST}),
        token="ann"),
    "an EC2 key for the project": Case("projects/{project}", _EC2, token="ann"),
    "an EC2 key of the user": Case("users/{ann}", _EC2, token="ann"),
    "an application credential for the project": Case("projects/{project}", ("POST",
        "users/{ann}/application_credentials", {"application_credential": {"name": "b"}}), token="ann"),
    "an application credential of the user": Case("users/{ann}", ("POST",
        "users/{ann}/application_credentials", {"application_credential": {"name": "b"}}), token="ann"),
}  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Cloud, Cloud]]:
    """On SQLite there is one writer at a time, wherever it comes from, so one process is as good as two."""
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            alone = await stack.enter_async_context(Cloud(Settings()))
            yield alone, alone
            return
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = cluster.migrated_database()
        one = await stack.enter_async_context(Cloud(Settings(), url))
        yield one, await stack.enter_async_context(Cloud(Settings(), url))


class Held:
    """The next transaction of a store stops before its commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._write = store.write
        self.at_commit, self.go_on = asyncio.Event(), asyncio.Event()
        store.write = self._held  # type: ignore[method-assign]

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[Tx]:
        self._store.write = self._write  # type: ignore[method-assign]
        async with self._write() as tx:
            yield tx
            self.at_commit.set()
            await self.go_on.wait()


async def waits_or_is_done(store: Store, request: asyncio.Task[Answer]) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)
        if request.done() or not isinstance(store, PostgresStore):
            return
        async with store.read() as tx:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            if await tx.row(waiting) is not None:
                return
    raise AssertionError("the second request neither waits nor ends")


async def race(
    two: tuple[C, C],
    first: Callable[[C], Coroutine[Any, Any, Answer]],
    second: Callable[[C], Coroutine[Any, Any, Answer]],
) -> tuple[Answer, Answer]:
    """The second begins when the first is about to commit."""
    held = Held(two[0].store)
    one = asyncio.create_task(first(two[0]))
    await asyncio.wait_for(held.at_commit.wait(), PATIENCE_S)
    other = asyncio.create_task(second(two[1]))
    await waits_or_is_done(two[0].store, other)
    held.go_on.set()
    return await asyncio.wait_for(one, PATIENCE_S), await asyncio.wait_for(other, PATIENCE_S)


async def words_of(cloud: Cloud) -> dict[str, str]:
    """One of everything, by what a path calls it; and ann, who may do things herself."""
    domain = await cloud.make("domain", "domains", name="d", enabled=False)
    ann = await cloud.make("user", "users", name="ann", password="pw")
    kinds = {
        "project": ("projects", {"name": "p"}),
        "user": ("users", {"name": "u"}),
        "group": ("groups", {"name": "g"}),
        "role": ("roles", {"name": "r"}),
        "service": ("services", {"type": "t"}),
        "region": ("regions", {"id": "r"}),
        "policy": ("policies", {"type": "t", "blob": "b"}),
    }
    words = {"domain": domain["id"], "ann": ann["id"]}
    for kind, (path, fields) in kinds.items():
        words[kind] = (await cloud.make(kind, path, **fields))["id"]
    words["prior"] = (await cloud.make("role", "roles", name="prior"))["id"]
    other = await cloud.make("service", "services", type="other")
    endpoint = await cloud.make("endpoint", "endpoints", **_NEW_ENDPOINT, service_id=other["id"])
    group = await cloud.make("endpoint_group", "OS-EP-FILTER/endpoint_groups", name="g", filters={"region_id": "r"})
    limit = {"service_id": words["service"], "resource_name": "things", "default_limit": 1}
    made = await cloud.call("POST", f"{API}/registered_limits", {"registered_limits": [limit]})
    words["registered"] = made.ok("registered_limits")[0]["id"]
    await cloud.grant(ann["id"], "member", project=words["project"])
    return words | {"endpoint": endpoint["id"], "endpoint_group": group["id"]}


def calls_of(case: Case, words: dict[str, str], token: str) -> tuple[Call, Call]:
    async def remove(cloud: Cloud) -> Answer:
        return await cloud.call("DELETE", f"{API}/{filled(case.remove, words)}")

    async def make(cloud: Cloud) -> Answer:
        method, path, body = case.make
        return await cloud.call(method, f"{API}/{filled(path, words)}", filled(body, words), token=token)

    return remove, make


_REFERENCES = (
    ("assignments", "actor_id", "users UNION ALL SELECT id FROM user_groups"),
    ("assignments", "target_id", "projects UNION ALL SELECT 'all'"),
    ("credentials", "user_id", "users"),
    ("credentials", "project_id", "projects"),
    ("app_credentials", "project_id", "projects"),
    ("endpoint_projects", "project_id", "projects"),
    ("endpoint_group_projects", "project_id", "projects"),
    ("policy_associations", "service_id", "services"),
)


async def check_nothing_refers_to_what_is_gone(cloud: Cloud) -> None:
    async with cloud.store.read() as tx:
        for table, column, source in _REFERENCES:
            rows = await tx.rows(f"SELECT {column} FROM {table} WHERE {column} NOT IN (SELECT id FROM {source})")
            assert not rows, (table, column)
        known = "(SELECT id FROM users)"
        rows = await tx.rows(
            f"SELECT id FROM trusts WHERE deleted_at IS NULL AND (trustor_id NOT IN {known} OR trustee_id NOT IN"
            f" {known} OR project_id NOT IN (SELECT id FROM projects))"
        )
        assert not rows


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("first", ["removed", "made"])
async def test_whoever_comes_second_is_told_why_in_our_words(two: tuple[Cloud, Cloud], what: str, first: str) -> None:
    case, words = CASES[what], await words_of(two[0])
    if what == "a registered limit of the service":
        assert (await two[0].call("DELETE", f"{API}/registered_limits/{words['registered']}")).status == 204
    elif "service" in case.remove:
        await two[0].call("DELETE", f"{API}/registered_limits/{words['registered']}")
    token = "admin" if case.token == "admin" else await two[1].token("ann", "pw", {"project": {"id": words["project"]}})
    remove, make = calls_of(case, words, token)
    if first == "removed":
        removed, made = await race(two, remove, make)
        assert removed.status == 204, removed.raw
        # Of what its own token rests on, the maker is told that the token is dead.
        assert made.status in ((401, case.absent) if case.token == "ann" else (case.absent,)), made.raw
    else:
        made, removed = await race((two[1], two[0]), make, remove)
        assert made.status in (200, 201, 204), made.raw
        assert removed.status == case.removed, removed.raw
    for answer in (made, removed):
        assert b"stands in the way" not in answer.raw and b"look again" not in answer.raw
    await check_nothing_refers_to_what_is_gone(two[0])


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("users", "user", "Duplicate entry found with name same"),
        ("groups", "group", "Duplicate entry found with name same"),
        ("projects", "project", "two projects with the same name"),
        ("domains", "domain", "two domains with the same name"),
        ("roles", "role", "Duplicate entry found with name same"),
    ],
)
async def test_of_two_of_one_name_the_second_is_told_so(
    two: tuple[Cloud, Cloud], path: str, kind: str, said: str
) -> None:
    async def make(cloud: Cloud) -> Answer:
        return await cloud.call("POST", f"{API}/{path}", {kind: {"name": "same"}})

    made, refused = await race(two, make, make)
    assert made.status == 201, made.raw
    assert said in refused.refused(409)


async def test_one_access_rule_wanted_by_two_credentials_at_once_is_one_rule(two: tuple[Cloud, Cloud]) -> None:
    words = await words_of(two[0])
    token = await two[0].token("ann", "pw", {"project": {"id": words["project"]}})
    rule = {"path": "/v2.1/servers", "method": "GET", "service": "compute"}

    def making(name: str) -> Call:
        async def make(cloud: Cloud) -> Answer:
            wanted = {"application_credential": {"name": name, "access_rules": [rule]}}
            path = f"{API}/users/{words['ann']}/application_credentials"
            return await cloud.call("POST", path, wanted, token=token)

        return make

    one, other = await race(two, making("a"), making("b"))
    rules = [answer.ok("application_credential")["access_rules"] for answer in (one, other)]
    assert rules[0] == rules[1]
