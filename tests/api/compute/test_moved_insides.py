"""A server with CPUs of its own moves: it has others there, and the old ones until it is certain that it stays."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.compute.moving_cloud import MovingCloud, moving
from tests.api.compute.test_servers_inside import INSIDE, PINNED, flavor

from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS

__all__ = ["moving"]


@pytest.fixture
async def inside(moving: MovingCloud, tmp_path: Path) -> AsyncIterator[MovingCloud]:
    async with moving.store.write() as tx:
        for host in await tx.select(HOSTS):
            await hosts.register(tx, host, hardware=INSIDE)
    yield moving


async def held(cloud: MovingCloud) -> list[tuple[str, int]]:
    """Host -> servers or migrations that hold parts of it."""
    rows = await cloud.rows(
        "SELECT h.name, COUNT(*) FROM server_topologies t JOIN hosts h ON h.id = t.host_id"
        " GROUP BY h.name ORDER BY h.name"
    )
    return [(str(name), int(count)) for name, count in rows]


async def pinned(cloud: MovingCloud, id: str) -> dict[str, int]:
    rows = await cloud.rows(
        "SELECT h.name, SUM(c.used) FROM claims c JOIN hosts h ON h.id = c.provider_id WHERE c.class = 'PCPU'"
        " AND (c.consumer_id = ? OR c.consumer_id IN (SELECT id FROM server_migrations WHERE server_id = ?))"
        " GROUP BY h.name",
        id,
        id,
    )
    return {str(name): int(used) for name, used in rows}


@pytest.mark.parametrize("act", ["confirmResize", "revertResize"])
async def test_a_server_with_cpus_of_its_own_has_others_where_it_goes(inside: MovingCloud, act: str) -> None:
    id = await inside.made(flavorRef=await flavor(inside, **PINNED))
    source = await inside.host_of(id)
    assert await held(inside) == [(source, 1)]
    (await inside.migrate(id)).ok()
    await inside.settle()
    target = await inside.host_of(id)
    assert await held(inside) == sorted([(source, 1), (target, 1)])
    assert await pinned(inside, id) == {source: 2, target: 2}
    ((holder,),) = await inside.rows(
        "SELECT server_id FROM server_topologies t JOIN hosts h ON h.id = t.host_id WHERE h.name = ?", target
    )
    assert holder == id, "where it runs is the server's own"
    (await inside.act(id, act)).ok()
    await inside.settle()
    stays = target if act == "confirmResize" else source
    assert await held(inside) == [(stays, 1)]
    assert await pinned(inside, id) == {stays: 2}
    (await inside.call("DELETE", f"/servers/{id}")).ok()
    await inside.settle()
    assert await held(inside) == []
