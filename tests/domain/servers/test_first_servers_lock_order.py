"""The first servers of a project are asked for at once, and make what the project lacks; nobody waits in a circle
(PostgreSQL).
"""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from tests.api.compute.server_cloud import Cloud
from tests.domain.counting import Counting
from tests.postgres import PostgresCluster

from trivet.clock import SystemClock
from trivet.domain.identity.people.projects import PROJECTS, Project
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets import seeds as network_seeds
from trivet.ids import SystemIds
from trivet.store.tx import Tx

pytestmark = pytest.mark.postgres

PROJECT_COUNT = 12
AT_ONCE = 8


class Roomy(Cloud):
    """Few hosts with room for everybody, so that many meet at each, and networks that all projects share."""

    def __init__(self, store: Counting) -> None:
        super().__init__()
        self.store = self.parts.store = store
        self.counting = store
        self.shared: list[str] = []
        self.outside = ""

    async def add_host(self, tx: Tx, name: str, *, vcpus: int, zone: str | None = None) -> None:
        await super().add_host(tx, name, vcpus=500, zone=zone)

    async def share_networks(self) -> None:
        async with self.store.write() as tx:
            for n in (1, 2, 3):
                network_id = await self.add_network(tx, f"blue{n}", f"10.{n}.0.0/16")
                await rbac_policies.grant(tx, "operators", "network", network_id, "access_as_shared")
                self.shared.append(network_id)

    async def lead_out(self) -> None:
        async with self.store.write() as tx:
            self.outside = (await network_seeds.seed_external(tx, self.parts.settings, "operators")).id

    async def new_project(self) -> str:
        id = self.parts.ids.hex()
        async with self.store.write() as tx:
            await tx.insert(PROJECTS, Project(id=id, name=id, domain_id="default", parent_id="default"))
        return id


@pytest.fixture
async def cloud(postgres_cluster: PostgresCluster) -> AsyncIterator[Roomy]:
    store = Counting(postgres_cluster.migrated_database(), SystemClock(), SystemIds(), connections=AT_ONCE)
    async with Roomy(store) as cloud:
        yield cloud


async def test_first_servers_on_shared_networks_never_wait_in_a_circle(cloud: Roomy, chance: random.Random) -> None:
    await cloud.share_networks()

    async def ask(project_id: str) -> None:
        some = chance.sample(cloud.shared, chance.choice((1, 1, 2, 3)))
        words = chance.choice(({}, {"security_groups": [{"name": "default"}]}, {"min_count": 2, "max_count": 2}))
        networks = [{"uuid": network_id} for network_id in some]
        (await cloud.create(networks=networks, token=cloud.token(project_id=project_id), **words)).ok()

    for _ in range(PROJECT_COUNT):
        project_id = await cloud.new_project()
        await asyncio.gather(*(ask(project_id) for _ in range(AT_ONCE)))
    assert cloud.counting.circles == 0


async def test_first_servers_whose_network_is_made_for_them_never_wait_in_a_circle(
    cloud: Roomy, chance: random.Random
) -> None:
    await cloud.lead_out()

    async def ask(project_id: str) -> None:
        if chance.random() < 0.5:
            (await cloud.create(networks="auto", token=cloud.token(project_id=project_id))).ok()
        else:
            token = cloud.token("admin", project_id=project_id)
            (await cloud.create(networks=[{"uuid": cloud.outside}], token=token)).ok()

    for _ in range(PROJECT_COUNT):
        some = [await cloud.new_project() for _ in range(2)]
        await asyncio.gather(*(ask(project_id) for project_id in some * (AT_ONCE // 2)))
    assert cloud.counting.circles == 0
