"""What one look costs, database included, in clouds of some sizes: it must follow what happened and not the cloud."""

import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.causes.stories import Fact
from tests.causes.story_cloud import StoryCloud
from tests.causes.worlds import Machine, World

SIZES = (1_000, 10_000)
_HOSTS_OF_RACK = 20
_SERVERS_OF_HOST = 20
_TIMES = 3

Happen = Callable[[StoryCloud, World, int], Awaitable[None]]


def world(servers: int) -> World:
    """Racks of twenty hosts, each with a switch and a feed; a tenth as many projects as servers."""
    chance = random.Random(servers)  # noqa: S311 # a world, no secret
    found = World(backends={"san@ceph": None}, shared_networks=["shared"])
    for number in range(servers // _SERVERS_OF_HOST):
        rack, host = number // _HOSTS_OF_RACK, f"h{number:04d}"
        found.hosts.append(host)
        found.links += [
            (f"chassis:{host}", f"nic:{host}:eno0", False),
            (f"nic:{host}:eno0", f"switch:tor{rack}", False),
            (f"host:{host}", f"feed:pdu{rack}", False),
        ]
        for place in range(_SERVERS_OF_HOST):
            project = f"p{chance.randrange(servers // 10):04d}"
            backends = ("san@ceph",) if place % 4 == 0 else ()
            found.machines.append(Machine(f"{host}-{place}", project, host, (f"own-{project}",), backends))
    return found


async def _report(cloud: StoryCloud, world: World, turn: int) -> None:
    await cloud.happen([Fact(cloud.clock.at + 1, "report", world.machines[turn * 400].id, "unreachable", f"u{turn}")])


async def _ten_reports(cloud: StoryCloud, world: World, turn: int) -> None:
    """The seeds' case: a card fails, and ten tenants on its host report."""
    host = world.hosts[-1 - turn * _HOSTS_OF_RACK]
    there = {machine.project: machine for machine in world.machines if machine.host == host}
    at = cloud.clock.at + 1
    facts = [Fact(at, "probe", f"{host} tenant", "down")]
    facts += [Fact(at, "report", m.id, "unreachable", f"u-{m.project}") for m in list(there.values())[:10]]
    await cloud.happen(facts)


async def _rack(cloud: StoryCloud, world: World, turn: int) -> None:
    hosts = world.hosts[turn * _HOSTS_OF_RACK : (turn + 1) * _HOSTS_OF_RACK]
    at = cloud.clock.at + 1
    await cloud.happen(
        [Fact(at, "probe", f"{host} {probe}", "down") for host in hosts for probe in ("management", "tenant")]
    )


_WHAT: dict[str, tuple[Happen, int]] = {
    "one report": (_report, _TIMES),
    "a card and ten reports": (_ten_reports, _TIMES),
    "a rack of 20 hosts dies": (_rack, 1),
}


async def measure() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {what: {} for what in _WHAT}
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="trivet-causes-") as folder:
            place = world(size)
            async with StoryCloud(place, str(Path(folder) / "cloud.db")) as cloud:
                up = [
                    Fact(1.0, "probe", f"{host} {probe}", "up")
                    for host in place.hosts
                    for probe in ("management", "tenant")
                ]
                await cloud.happen(up)
                await cloud.conclude()
                for what, (happen, times) in _WHAT.items():
                    found[what][str(size)] = await _timed(cloud, place, happen, times)
    return found


async def _timed(cloud: StoryCloud, place: World, happen: Happen, times: int) -> float:
    spent = []
    for turn in range(times):
        await happen(cloud, place, turn)
        began = time.process_time()
        await cloud.conclude()
        spent.append(time.process_time() - began)
    return round(1000 * sorted(spent)[len(spent) // 2], 1)
