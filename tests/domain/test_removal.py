"""What goes with a project and with a user in the other services, also while it is being made: two processes on
PostgreSQL, on SQLite two requests that wait for each other's transaction.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.api.identity.identity_cloud import Cloud as Identity
from tests.api.one_service import Answer
from tests.domain.identity.test_identity_removal_races import Call, race
from tests.postgres import PostgresCluster

from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.identity.service import SERVICE as IDENTITY
from trivet.api.kit.app import App
from trivet.api.network.service import SERVICE as NETWORK
from trivet.domain.network.groups import security_groups
from trivet.settings import Settings
from trivet.store.store import transact

NET = "/network/v2.0"
KEYS = "/compute/v2.1/os-keypairs"
KEY = {"keypair": {"name": "a"}}


class Cloud(Identity):
    """Identity, and what others keep for its projects and users."""

    def __init__(self, database: str = "") -> None:
        super().__init__(Settings(), database)
        self.app = App(self.parts, [IDENTITY, NETWORK, COMPUTE])

    async def left_of(self, scope_id: str) -> dict[str, int]:
        """How many rows name a project or a user that is gone."""
        found = {}
        async with self.store.read() as tx:
            for table, column in (
                ("security_groups", "project_id"),
                ("security_group_rules", "project_id"),
                ("quota_usages", "scope_id"),
                ("keypairs", "user_id"),
            ):
                rows = await tx.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", scope_id)
                found[table] = len(rows)
        return {table: count for table, count in found.items() if count}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Cloud, Cloud]]:
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            alone = await stack.enter_async_context(Cloud())
            yield alone, alone
            return
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = cluster.migrated_database()
        one = await stack.enter_async_context(Cloud(url))
        yield one, await stack.enter_async_context(Cloud(url))


async def ann_in(cloud: Cloud, **project: Any) -> tuple[str, str, str]:
    """(project, user, token)"""
    project_id = (await cloud.make("project", "projects", name="p", **project))["id"]
    user_id = (await cloud.make("user", "users", name="ann", password="pw"))["id"]
    await cloud.grant(user_id, "member", project=project_id)
    return project_id, user_id, await cloud.token("ann", "pw", {"project": {"id": project_id}})


async def make(cloud: Cloud, token: str, noun: str, **fields: Any) -> Any:
    answer = await cloud.call("POST", f"{NET}/{noun.replace('_', '-')}s", {noun: fields}, token=token)
    return answer.ok(noun)


async def trimmed(cloud: Cloud) -> bool:
    return await transact(cloud.store, security_groups.drop_left)


async def trimming(cloud: Cloud) -> Answer:
    return Answer(200 if await trimmed(cloud) else 404, {}, b"")


def removing(path: str) -> Call:
    async def remove(cloud: Identity) -> Answer:
        return await cloud.call("DELETE", f"/identity/v3/{path}")

    return remove


def making(path: str, body: Any, token: str) -> Call:
    async def post(cloud: Identity) -> Answer:
        return await cloud.call("POST", path, body, token=token)

    return post


async def test_a_project_takes_its_default_group_and_what_was_counted_with_it(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    project_id, _, token = await ann_in(cloud)
    network = await make(cloud, token, "network")
    (await cloud.call("DELETE", f"{NET}/networks/{network['id']}", token=token)).ok()
    assert (await cloud.left_of(project_id)).keys() == {"security_groups", "security_group_rules", "quota_usages"}
    async with cloud.store.read() as tx:
        (group,) = await tx.rows("SELECT id FROM security_groups WHERE project_id = ?", project_id)
    assert (await removing(f"projects/{project_id}")(cloud)).status == 204
    assert await cloud.left_of(project_id) == {}
    async with cloud.store.read() as tx:
        told = await tx.rows(
            "SELECT verb FROM events WHERE noun = 'security_groups' AND noun_id = ? ORDER BY seq", group[0]
        )
    assert [row[0] for row in told] == ["created", "deleted"], "so the network engine hears of it"


async def test_a_domain_takes_them_for_all_in_it(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    domain = await cloud.make("domain", "domains", name="d")
    project_id, _, token = await ann_in(cloud, domain_id=domain["id"])
    user_id = (await cloud.make("user", "users", name="bob", password="pw", domain_id=domain["id"]))["id"]
    await make(cloud, token, "security_group", name="web")
    (await cloud.call("POST", KEYS, {"keypair": {"name": "a", "user_id": user_id}},
        headers={"openstack-api-version": "compute 2.10"})).ok()  # fmt: skip
    (await cloud.call("PATCH", f"/identity/v3/domains/{domain['id']}", {"domain": {"enabled": False}})).ok()
    assert (await removing(f"domains/{domain['id']}")(cloud)).status == 204
    assert await cloud.left_of(project_id) == {"security_groups": 1, "security_group_rules": 2}, "one was made by hand"
    assert await cloud.left_of(user_id) == {}


async def left_behind(cloud: Cloud) -> tuple[str, Any, Any]:
    """A project that is gone, and the network and the port that it left."""
    project_id, _, token = await ann_in(cloud)
    network = await make(cloud, token, "network")
    port = await make(cloud, token, "port", network_id=network["id"])
    assert (await removing(f"projects/{project_id}")(cloud)).status == 204
    return project_id, network, port


async def test_a_group_that_a_port_is_left_behind_in_stays_with_it(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    project_id, network, port = await left_behind(cloud)
    shown = (await cloud.get(f"{NET}/ports/{port['id']}")).ok("port")
    assert shown["security_groups"] == port["security_groups"]
    assert (await cloud.left_of(project_id))["security_groups"] == 1
    assert not await trimmed(cloud), "a port is in it"
    (await cloud.call("DELETE", f"{NET}/ports/{port['id']}")).ok()
    assert await trimmed(cloud)
    assert await cloud.left_of(project_id) == {}
    assert not await trimmed(cloud)
    assert (await cloud.get(f"{NET}/networks/{network['id']}")).status == 200, (
        "what was made by hand is for the operator"
    )


async def test_a_group_that_was_left_behind_may_be_deleted_by_hand(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    _, _, port = await left_behind(cloud)
    (await cloud.call("DELETE", f"{NET}/ports/{port['id']}")).ok()
    (group_id,) = port["security_groups"]
    (await cloud.call("DELETE", f"{NET}/security-groups/{group_id}")).ok()
    assert await trimmed(cloud)
    assert not await trimmed(cloud)


async def test_a_port_that_comes_back_into_a_left_group_keeps_it(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    _, network, port = await left_behind(cloud)
    (await cloud.call("DELETE", f"{NET}/ports/{port['id']}")).ok()
    wanted = {"port": {"network_id": network["id"], "security_groups": port["security_groups"]}}

    async def join(one: Cloud) -> Answer:
        return await one.call("POST", f"{NET}/ports", wanted)

    made, dropped = await race((two[1], two[0]), join, trimming)
    assert made.status == 201, made.raw
    assert dropped.status == 404, "it looked again"
    assert (await cloud.get(f"{NET}/security-groups/{port['security_groups'][0]}")).status == 200


async def test_rules_of_others_that_name_the_group_go_and_are_counted_no_more(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    project_id, _, token = await ann_in(cloud)
    await make(cloud, token, "network")
    async with cloud.store.read() as tx:
        (group,) = await tx.rows("SELECT id FROM security_groups WHERE project_id = ?", project_id)
    own = await make(cloud, "admin", "security_group", name="own")
    rule = {"security_group_id": own["id"], "direction": "ingress", "remote_group_id": str(group[0])}
    await make(cloud, "admin", "security_group_rule", **rule)
    assert (await removing(f"projects/{project_id}")(cloud)).status == 204
    left = (await cloud.get(f"{NET}/security-groups/{own['id']}")).ok("security_group")["security_group_rules"]
    assert {one["remote_group_id"] for one in left} == {None}
    async with cloud.store.read() as tx:
        there = await tx.row("SELECT COUNT(*) FROM security_group_rules WHERE project_id = ?", cloud.project_id)
        counted = await tx.row(
            "SELECT used FROM quota_usages WHERE scope_id = ? AND resource = 'security_group_rule'", cloud.project_id
        )
    assert there == counted


async def test_a_user_takes_the_key_pairs_along(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    _, user_id, token = await ann_in(cloud)
    (await cloud.call("POST", KEYS, KEY, token=token)).ok()
    assert await cloud.left_of(user_id) == {"keypairs": 1, "quota_usages": 1}
    assert (await removing(f"users/{user_id}")(cloud)).status == 204
    assert await cloud.left_of(user_id) == {}


@pytest.mark.parametrize("first", ["removed", "made"])
@pytest.mark.parametrize("what", ["project", "user"])
async def test_nothing_is_left_of_what_is_made_meanwhile(two: tuple[Cloud, Cloud], what: str, first: str) -> None:
    project_id, user_id, token = await ann_in(two[0])
    id = project_id if what == "project" else user_id
    remove = removing(f"{what}s/{id}")
    path, body = (f"{NET}/security-groups", {"security_group": {"name": "a"}}) if what == "project" else (KEYS, KEY)
    make = making(path, body, token)
    if first == "removed":
        removed, made = await race(two, remove, make)
        assert made.status in (401, 404), made.raw
    else:
        made, removed = await race((two[1], two[0]), make, remove)
        assert made.status in (200, 201), made.raw
    assert removed.status == 204, removed.raw
    left = await two[0].left_of(id)
    by_hand = {"security_groups": 1, "security_group_rules": 2} if (what, first) == ("project", "made") else {}
    assert left == by_hand


async def test_a_port_that_is_made_meanwhile_keeps_its_group(two: tuple[Cloud, Cloud]) -> None:
    project_id, _, token = await ann_in(two[0])
    network = await make(two[0], token, "network")
    wanted = making(f"{NET}/ports", {"port": {"network_id": network["id"]}}, token)
    made, removed = await race((two[1], two[0]), wanted, removing(f"projects/{project_id}"))
    assert removed.status == 204, removed.raw
    (group_id,) = made.ok("port")["security_groups"]
    (await two[0].get(f"{NET}/security-groups/{group_id}")).ok()


async def test_to_look_for_the_groups_of_a_removed_project_makes_none(two: tuple[Cloud, Cloud]) -> None:
    cloud = two[0]
    project_id, _, token = await ann_in(cloud)
    await make(cloud, token, "network")
    assert (await removing(f"projects/{project_id}")(cloud)).status == 204
    found = await cloud.get(f"{NET}/security-groups?project_id={project_id}")
    assert found.ok("security_groups") == []
    assert await cloud.left_of(project_id) == {}
