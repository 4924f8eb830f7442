"""Servers with CPUs of their own that come and go at once: none is sold twice, none is lost, on either database."""

import asyncio
import random
from functools import partial

import msgspec
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.compute.test_servers_inside import INSIDE, PINNED, add, flavor, held, used

from trivet.domain.servers import state as reports
from trivet.domain.servers.servers import SERVERS
from trivet.drivers.contracts.topology import Topology
from trivet.store.store import transact
from trivet.store.where import Where

__all__ = ["cloud"]

HOSTS, ROUNDS, AT_ONCE = 3, 12, 10


async def test_no_cpu_is_sold_twice_however_many_come_at_once(cloud: Cloud) -> None:
    ids = [await add(cloud, f"inside{n}") for n in range(HOSTS)]
    two = await flavor(cloud, **PINNED)
    made = await asyncio.gather(*(cloud.create(networks="none", flavorRef=two) for _ in range(HOSTS * 4 + 6)))
    assert {answer.status for answer in made} == {202}
    assert sorted(await _sold(cloud)) == sorted((id, cpu) for id in ids for cpu in INSIDE.dedicated)
    assert [(await used(cloud, id))["PCPU"] for id in ids] == [8] * HOSTS


async def test_what_is_sold_is_what_servers_have_while_they_come_and_go(cloud: Cloud, chance: random.Random) -> None:
    ids = [await add(cloud, f"inside{n}") for n in range(2)]
    flavors = [
        await flavor(cloud, 2, 512, **PINNED, **{"hw:mem_page_size": "large"}),
        await flavor(cloud, 3, 512, **PINNED, **{"hw:cpu_thread_policy": "isolate"}),
        await flavor(cloud, 4, 1024, **PINNED, **{"hw:numa_nodes": "2"}),
        await flavor(cloud, 1, 512, **PINNED, **{"hw:emulator_threads_policy": "isolate"}),
    ]
    live: list[str] = []
    for _ in range(ROUNDS):
        gone = [live.pop(chance.randrange(len(live))) for _ in range(len(live) // 2)]
        calls = [cloud.create(networks="none", flavorRef=chance.choice(flavors)) for _ in range(AT_ONCE)]
        calls += [cloud.call("DELETE", f"/servers/{id}") for id in gone]
        answers = await asyncio.gather(*calls)
        live += [answer.ok()["server"]["id"] for answer in answers[:AT_ONCE]]
        await settled(cloud)
        sold = await _sold(cloud)
        assert len(sold) == len(set(sold)), "a CPU was sold twice"
        for id in ids:
            assert (await used(cloud, id)).get("PCPU", 0) == sum(host == id for host, _ in sold)
    for id in live:
        (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await settled(cloud)
    assert (await held(cloud), [await used(cloud, id) for id in ids]) == ([], [{}, {}])


async def settled(cloud: Cloud) -> None:
    """As agents say it: each server by itself."""
    async with cloud.store.read() as tx:
        servers = await tx.select(SERVERS, Where().add("deleted_at IS NULL AND host_id IS NOT NULL"))
    for server in servers:
        report = cloud._report(server)
        await transact(cloud.store, partial(reports.settle, report=report))


async def _sold(cloud: Cloud) -> list[tuple[str, int]]:
    return [
        (str(host), cpu)
        for host, text in await cloud.rows("SELECT host_id, topology FROM server_topologies")
        for topology in (msgspec.json.decode(text, type=Topology),)
        for cpu in (*topology.pins.values(), *topology.reserved)
    ]
