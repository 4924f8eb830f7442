"""Quotas where scopes lie in each other: nobody gets past the limit of the scope above, nor past his own."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.postgres import PostgresCluster

from trivet.domain.limits import limits, quotas
from trivet.errors import OverQuota
from trivet.settings import Settings


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    url = ""
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = cluster.migrated_database()
    async with Cloud(Settings(), url) as started:
        async with started.store.write() as tx:
            await limits.set_model(tx, "strict_two_level")
        yield started


Take = Callable[[str, int], Awaitable[bool]]


@pytest.fixture
def take(cloud: Cloud) -> Take:
    """So many servers for a project; False if that is over a limit."""

    async def take(project_id: str, count: int) -> bool:
        try:
            async with cloud.store.write() as tx:
                await quotas.take(tx, project_id, {"servers": count})
        except OverQuota:
            return False
        return True

    return take


async def limit(cloud: Cloud, scope_id: str, most: int) -> None:
    async with cloud.store.write() as tx:
        await limits.set_limit(tx, scope_id, "servers", most)


async def test_what_is_below_a_project_counts_when_it_takes_for_itself(cloud: Cloud, take: Take) -> None:
    above = await cloud.make("project", "projects", name="above")
    below = await cloud.make("project", "projects", name="below", parent_id=above["id"])
    await limit(cloud, above["id"], 10)
    assert await take(below["id"], 8)
    assert not await take(above["id"], 5)
    assert await take(above["id"], 2)
    assert not await take(below["id"], 1)
    async with cloud.store.read() as tx:
        assert await quotas.used(tx, above["id"], "servers") == 2


async def test_whoever_is_deeper_in_a_domain_counts_in_it_as_well(cloud: Cloud, take: Take) -> None:
    domain = await cloud.make("domain", "domains", name="d")
    above = await cloud.make("project", "projects", name="above", domain_id=domain["id"])
    below = await cloud.make("project", "projects", name="below", parent_id=above["id"], domain_id=domain["id"])
    other = await cloud.make("project", "projects", name="other", domain_id=domain["id"])
    assert await take(below["id"], 60)
    assert await take(other["id"], 30)
    assert not await take(below["id"], 11), "100 is everybody's default, the domain's too"
    assert await take(below["id"], 10)
