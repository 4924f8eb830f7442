"""Servers come and go at once on few hosts and few networks, in one project; nobody waits in a circle (PostgreSQL).

A circle costs a second before the database breaks it, with everybody waiting behind those who stand in it.
"""

import asyncio
import random

import pytest
from tests.api.compute.server_cloud import Cloud
from tests.domain.counting import Counting
from tests.postgres import PostgresCluster

from trivet.clock import SystemClock
from trivet.domain.servers import state as reports
from trivet.domain.servers.servers import SERVERS
from trivet.ids import SystemIds
from trivet.store.store import transact
from trivet.store.tx import Tx

pytestmark = pytest.mark.postgres

ROUNDS = 120
AT_ONCE = 8


async def settle(cloud: Cloud, server_id: str) -> None:
    async def act(tx: Tx) -> None:
        server = await tx.get(SERVERS, server_id)
        if server is not None and server.host_id is not None:
            await reports.settle(tx, cloud._report(server))

    await transact(cloud.store, act)


async def test_servers_that_come_and_go_at_once_never_wait_in_a_circle(
    postgres_cluster: PostgresCluster, chance: random.Random
) -> None:
    cloud = Cloud()
    store = Counting(postgres_cluster.migrated_database(), SystemClock(), SystemIds(), connections=AT_ONCE)
    cloud.store = cloud.parts.store = store
    live: list[str] = []
    networks: list[str] = []
    rounds = iter(range(ROUNDS))

    async def worker() -> None:
        for _ in rounds:
            if live and chance.random() < 0.5:
                server_id = live.pop(chance.randrange(len(live)))
                await settle(cloud, server_id)
                assert (await cloud.call("DELETE", f"/servers/{server_id}")).status == 204
                await settle(cloud, server_id)
            else:
                several = {"min_count": 3, "max_count": 3} if chance.random() < 0.3 else {}
                some = chance.sample(networks, chance.choice((1, 2, 3)))
                made = (await cloud.create(networks=[{"uuid": network_id} for network_id in some], **several)).ok()
                live.append(made["server"]["id"])

    async with cloud:
        networks.append(cloud.network_id)
        for n in (1, 2):
            async with store.write() as tx:
                networks.append(await cloud.add_network(tx, f"blue{n}", f"10.{n}.0.0/24"))
        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        assert store.circles == 0
