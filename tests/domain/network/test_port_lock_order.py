"""Ports and rules come and go at once, also several in one request, and nobody waits in a circle (PostgreSQL)."""

import asyncio
import random

import pytest
from tests.api.network.network_cloud import Cloud
from tests.domain.counting import Counting
from tests.postgres import PostgresCluster

from trivet.clock import SystemClock
from trivet.ids import SystemIds

pytestmark = pytest.mark.postgres

ROUNDS = 150
AT_ONCE = 8


@pytest.fixture
def store(postgres_cluster: PostgresCluster) -> Counting:
    return Counting(postgres_cluster.migrated_database(), SystemClock(), SystemIds(), connections=AT_ONCE)


async def test_ports_that_come_and_go_at_once_never_wait_in_a_circle(store: Counting, chance: random.Random) -> None:
    async with Cloud(store) as cloud:
        client = cloud.mine
        networks = [(await client.network(f"10.{n}.0.0/24"))[0] for n in range(3)]
        live: list[str] = []
        rounds = iter(range(ROUNDS))

        async def worker() -> None:
            for _ in rounds:
                if live and chance.random() < 0.4:
                    await client.drop(f"ports/{live.pop(chance.randrange(len(live)))}")
                    continue
                some = chance.sample(networks, chance.choice((1, 2, 3)))
                asked = {"ports": [{"network_id": network_id} for network_id in some]}
                live.extend(port["id"] for port in (await client.call("POST", "/v2.0/ports", asked)).ok("ports"))

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        assert store.circles == 0


async def test_rules_that_come_and_go_at_once_never_wait_in_a_circle(store: Counting, chance: random.Random) -> None:
    async with Cloud(store) as cloud:
        client = cloud.mine
        group = await client.make("security_group", name="web")
        rounds = iter(range(ROUNDS))

        async def worker() -> None:
            for first in rounds:
                rule = await client.make(
                    "security_group_rule", security_group_id=group["id"], direction="ingress", protocol="tcp",
                    port_range_min=first + 1, port_range_max=60000,
                )  # fmt: skip
                if chance.random() < 0.8:
                    await client.drop(f"security-group-rules/{rule['id']}")

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        assert store.circles == 0
