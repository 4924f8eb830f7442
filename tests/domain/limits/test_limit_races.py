"""Limits of scopes above and below each other are changed at once, under strict_two_level: two processes on PostgreSQL,
on SQLite two requests that wait for each other's transaction. Nobody ends up allowed more than the scope above him.
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
from trivet.domain.limits import limits, quotas
from trivet.errors import OverQuota
from trivet.settings import Settings

LIMITS = "/identity/v3/limits"


class Cloud(Identity):
    """Identity, and two services that say limits in words of their own."""

    def __init__(self, database: str = "") -> None:
        super().__init__(Settings(), database)
        self.app = App(self.parts, [IDENTITY, COMPUTE, NETWORK])


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Cloud, Cloud]]:
    async with AsyncExitStack() as stack:
        url = ""
        if request.param == "postgres":
            cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
            url = cluster.migrated_database()
        one = await stack.enter_async_context(Cloud(url))
        async with one.store.write() as tx:
            await limits.set_model(tx, "strict_two_level")
        yield one, await stack.enter_async_context(Cloud(url)) if url else one


class Scopes:
    """A domain that may have sixty servers, and a project in it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.domain_id = self.project_id = self.limit_id = self.service_id = ""

    async def make(self) -> None:
        cloud = self._cloud
        self.domain_id = (await cloud.make("domain", "domains", name="d"))["id"]
        self.project_id = (await cloud.make("project", "projects", name="p", domain_id=self.domain_id))["id"]
        found = (await cloud.get("/identity/v3/registered_limits?resource_name=servers")).ok("registered_limits")
        self.service_id = found[0]["service_id"]
        self.limit_id = (await self.new_limit(60, domain_id=self.domain_id)(cloud)).ok("limits")[0]["id"]

    def new_limit(self, most: int, **scope: str) -> Call:
        wanted = {"service_id": self.service_id, "resource_name": "servers", "resource_limit": most, **scope}

        async def post(cloud: Identity) -> Answer:
            return await cloud.call("POST", LIMITS, {"limits": [wanted]})

        return post

    def of_domain(self, most: int) -> Call:
        async def patch(cloud: Identity) -> Answer:
            return await cloud.call("PATCH", f"{LIMITS}/{self.limit_id}", {"limit": {"resource_limit": most}})

        return patch

    def by_compute(self, most: int) -> Call:
        async def put(cloud: Identity) -> Answer:
            path = f"/compute/v2.1/os-quota-sets/{self.project_id}"
            return await cloud.call("PUT", path, {"quota_set": {"instances": most}})

        return put


@pytest.fixture
async def scopes(two: tuple[Cloud, Cloud]) -> Scopes:
    made = Scopes(two[0])
    await made.make()
    return made


@pytest.mark.parametrize("first", ["above", "below"])
@pytest.mark.parametrize("dialect", ["identity", "compute"])
async def test_of_two_limits_that_do_not_fit_the_second_is_refused(
    two: tuple[Cloud, Cloud], scopes: Scopes, first: str, dialect: str
) -> None:
    above = scopes.of_domain(40)
    below = scopes.by_compute(50) if dialect == "compute" else scopes.new_limit(50, project_id=scopes.project_id)
    one, other = await race(two, above, below) if first == "above" else await race(two, below, above)
    assert one.status in (200, 201), one.raw
    assert other.status == 403, other.raw


@pytest.mark.parametrize(("service", "field"), [("compute", "instances"), ("network", "port")])
async def test_quotas_of_every_service_are_held_to_the_scope_above(
    two: tuple[Cloud, Cloud], scopes: Scopes, service: str, field: str
) -> None:
    path = {"compute": "/compute/v2.1/os-quota-sets", "network": "/network/v2.0/quotas"}[service]
    wrap = {"compute": "quota_set", "network": "quota"}[service]
    most = {"compute": 60, "network": 500}[service]

    async def put(value: Any, project_id: str = scopes.project_id) -> int:
        return (await two[0].call("PUT", f"{path}/{project_id}", {wrap: {field: value}})).status

    assert await put(most) == 200
    assert await put(most + 1) == 403
    assert await put(-1) == 403


def taking(project_id: str, count: int) -> Call:
    async def take(cloud: Identity) -> Answer:
        try:
            async with cloud.store.write() as tx:
                await quotas.take(tx, project_id, {"servers": count})
        except OverQuota:
            return Answer(413, {}, b"")
        return Answer(200, {}, b"")

    return take


async def test_two_projects_do_not_take_together_what_their_domain_has_once(
    two: tuple[Cloud, Cloud], scopes: Scopes
) -> None:
    other = (await two[0].make("project", "projects", name="other", domain_id=scopes.domain_id))["id"]
    one, second = await race(two, taking(scopes.project_id, 35), taking(other, 35))
    assert (one.status, second.status) == (200, 413)
    assert (await taking(other, 25)(two[1])).status == 200
    assert (await taking(scopes.project_id, 1)(two[0])).status == 413
