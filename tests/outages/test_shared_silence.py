"""A silence that is everybody's is no host's death, and a clock that jumps says nothing of who lives.

The class: whoever judges life, a lease or a deadline by the time of day is wrong on the day when the database was away,
the process was frozen, the machine woke up or its clock was set. Here hosts, as clients of compute see them.
"""

from collections.abc import AsyncIterator

import pytest

from tests.api.compute.server_cloud import Cloud
from trivet.domain.hosts import hosts, pulse

HOUR_S = 3600.0
LATE = 8
"""Ticks after which a host is silent."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    url = request.getfixturevalue("postgres_cluster").migrated_database() if request.param == "postgres" else ""
    async with Cloud(url) as made:
        yield made


async def tick(cloud: Cloud, times: int, *heard: str) -> None:
    for _ in range(times):
        async with cloud.store.write() as tx:
            for name in heard:
                await hosts.heard(tx, (await hosts.by_name(tx, name)).id, cloud.clock.now())
        async with cloud.store.write() as tx:
            await pulse.count(tx)


async def outcome(cloud: Cloud, **wanted: str) -> str:
    """What becomes of a new server."""
    answer = await cloud.create(**wanted)
    if answer.status != 202:
        return str(answer.status)
    server = await cloud.show(answer.body["server"]["id"])
    return str(server["fault"]["message"] if server["status"] == "ERROR" else server["OS-EXT-STS:task_state"])


async def states(cloud: Cloud) -> list[str]:
    listed = await cloud.call("GET", "/os-hypervisors/detail", token=cloud.token("admin"))
    return [one["state"] for one in sorted(listed.ok()["hypervisors"], key=lambda one: str(one["hypervisor_hostname"]))]


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, 1e6])
async def test_a_clock_that_jumps_takes_no_host_away(cloud: Cloud, jump_s: float) -> None:
    cloud.clock.added_s += jump_s
    assert [await outcome(cloud) for _ in range(5)] == ["spawning"] * 5
    assert await states(cloud) == ["up"] * 3


async def test_who_alone_is_silent_is_down_and_gets_no_server(cloud: Cloud) -> None:
    await tick(cloud, LATE, "host0", "host2")
    assert await states(cloud) == ["up", "down", "up"]
    placed = [await outcome(cloud) for _ in range(9)]
    assert placed == ["spawning"] * 9
    assert await cloud.rows(
        "SELECT COUNT(*) FROM servers s JOIN hosts h ON h.id = s.host_id WHERE h.name = 'host1'"
    ) == [(0,)]
    await tick(cloud, 1, "host0", "host1", "host2")
    assert await states(cloud) == ["up"] * 3


async def test_while_nobody_at_all_is_heard_a_new_server_is_refused_for_now_and_not_for_good(cloud: Cloud) -> None:
    await tick(cloud, LATE)
    assert await states(cloud) == ["down"] * 3
    answer = await cloud.create()
    assert answer.status == 503 and "sign of life" in answer.body["serviceUnavailable"]["message"], answer.body
    assert await cloud.rows("SELECT COUNT(*) FROM servers") == [(0,)]
    assert await cloud.rows("SELECT COUNT(*) FROM claims") == [(0,)]


async def test_the_first_that_is_heard_again_does_not_make_the_others_dead(cloud: Cloud) -> None:
    """They have as long as ever to be heard, and what does not fit on the first is refused for now."""
    await tick(cloud, 20 * LATE)
    async with cloud.store.write() as tx:
        await hosts.heard(tx, (await hosts.by_name(tx, "host1")).id, cloud.clock.now())
    assert await outcome(cloud) == "spawning"
    assert await outcome(cloud, availability_zone="nova:host0", token=cloud.token("admin")) == "503"
    await tick(cloud, 1)
    assert await states(cloud) == ["up"] * 3
    assert await outcome(cloud, availability_zone="nova:host0", token=cloud.token("admin")) == "spawning"
    await tick(cloud, LATE, "host1")
    assert await states(cloud) == ["down", "up", "down"]


async def test_a_host_that_an_operator_calls_down_is_no_silence(cloud: Cloud) -> None:
    for number in range(3):
        path = f"/os-services/{await service(cloud, f'host{number}')}"
        (await cloud.call("PUT", path, {"forced_down": True}, token=cloud.token("admin"))).ok()
    await tick(cloud, LATE, "host0", "host1", "host2")
    assert (await outcome(cloud)).startswith("No valid host")


async def service(cloud: Cloud, host: str) -> str:
    listed = (await cloud.call("GET", "/os-services", token=cloud.token("admin"), host=host)).ok()["services"]
    return str(listed[0]["id"])


async def test_a_process_of_an_earlier_version_is_heard_by_the_time_that_it_writes(cloud: Cloud) -> None:
    for n in range(LATE):
        async with cloud.store.write() as tx:
            await tx.run("UPDATE hosts SET agent_seen_at = ? WHERE name = 'host0'", 1000.0 + n)
        async with cloud.store.write() as tx:
            await pulse.count(tx)
    assert await states(cloud) == ["up", "down", "down"]
