"""Many agents elsewhere that wait to hear of their hosts: one reader of the log for all, and nobody misses anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.compute.server_cloud import Cloud
from tests.api.one_service import ask
from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.host_link.service import SERVICE as AGENT
from trivet.api.kit.app import App
from trivet.domain.host_link.host_changes import HostChanges
from trivet.store import log
from trivet.store.follower import Follower
from trivet.store.store import Store
from trivet.store.tx import Change


async def happens(store: Store, host: str, *servers: str) -> int:
    """Something about these servers of the host; where the log is then."""
    async with store.write() as tx:
        for server in servers:
            tx.note(Change("servers", server, "updated", 7, host_id=host))
    async with store.read() as tx:
        return await log.head(tx)


class Agents:
    """Of hosts that are in the cloud, with an App whose process follows the log."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.app = App(cloud.parts, [COMPUTE, AGENT])
        self.follower = Follower(cloud.store)
        self.reads = 0
        self._said: dict[str, dict[str, str]] = {}

    async def begin(self, hosts: int) -> list[str]:
        await self.follower.start()
        self.cloud.parts.host_changes.follow(self.follower)
        self._count()
        admin = {"x-auth-token": self.cloud.token("admin")}
        facts = {"kinds": ["vm"], "vcpus": 4, "memory_mib": 65536, "disk_gib": 1000, "hypervisor_type": "sim"}
        ids = []
        for number in range(hosts):
            capacity = {"vcpus": 4, "memory_mib": 65536, "disk_gib": 1000}
            name = {"host": f"far-{number}", "capacity": capacity}
            secret = (await ask(self.app, "POST", "/v1/agent/credentials", name, headers=admin)).ok()["secret"]
            said = {"x-trivet-host-secret": secret}
            made = (await ask(self.app, "POST", "/v1/agent/register", facts | {"holder": "aa"}, headers=said)).ok()
            ids.append(made["host_id"])
            self._said[made["host_id"]] = said | {"x-trivet-session": made["session"]}
        await self.follower.step()
        return ids

    def _count(self) -> None:
        store, read = self.cloud.store, self.cloud.store.read

        def counted() -> Any:
            self.reads += 1
            return read()

        store.read = counted  # type: ignore[method-assign] # a database that counts who looks into it

    async def changes(self, host: str, after: int | None = None) -> Any:
        query = f"?after={after}" if after is not None else ""
        return (await ask(self.app, "GET", f"/v1/agent/changes{query}", headers=self._said[host])).ok()

    async def position(self, host: str) -> int:
        return int((await self.changes(host))["position"])

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.follower.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    async with Cloud() as cloud:
        yield Agents(cloud)


async def waiting_for(tasks: list[asyncio.Task[Any]]) -> None:
    """Until they have nothing to do but wait."""
    for _ in range(50):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_what_happens_elsewhere_costs_no_look_for_any_of_the_agents_that_wait(agents: Agents) -> None:
    mine, *others = await agents.begin(20)
    after = await agents.position(mine)
    tasks = [asyncio.create_task(agents.changes(host, after)) for host in [mine, *others]]
    await waiting_for(tasks)
    agents.reads = 0
    for number in range(30):
        await happens(agents.cloud.store, "another host", f"s{number}")
        await agents.follower.step()
    await waiting_for(tasks)
    assert agents.reads == 60, "the follower's and this test's own"
    await happens(agents.cloud.store, mine, "s")
    await agents.follower.step()
    assert (await tasks[0])["servers"] == {"s": 7}
    await waiting_for(tasks[1:])
    for task in tasks[1:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_every_change_is_heard_once_by_its_own_agent_whatever_the_pace(agents: Agents) -> None:
    hosts = await agents.begin(3)
    heard: dict[str, list[str]] = {host: [] for host in hosts}

    async def listen(host: str) -> None:
        position = await agents.position(host)
        while len(heard[host]) < 60:
            told = await agents.changes(host, position)
            assert not told["resync"] and told["position"] >= position
            heard[host] += told["servers"]
            position = told["position"]

    async with agents.following():
        listening = [asyncio.create_task(listen(host)) for host in hosts]
        for _ in range(10):
            await asyncio.sleep(0)
        for number in range(60):
            for host in hosts:
                await happens(agents.cloud.store, host, f"{host}/{number}")
            if number % 7 == 0:
                await asyncio.sleep(0.002)
        await asyncio.wait_for(asyncio.gather(*listening), 60)
    for host in hosts:
        assert heard[host] == [f"{host}/{number}" for number in range(60)]


async def test_what_happened_before_this_process_followed_is_read_from_the_log(agents: Agents) -> None:
    """An agent that comes from a process that died."""
    (host,) = await agents.begin(1)
    before = await agents.position(host)
    await happens(agents.cloud.store, host, "early")
    agents.cloud.parts.host_changes = HostChanges()
    late = Follower(agents.cloud.store)
    await late.start()
    agents.cloud.parts.host_changes.follow(late)
    assert (await agents.changes(host, before))["servers"] == {"early": 7}


async def test_who_has_heard_more_than_this_process_misses_nothing_and_hears_nothing_twice(agents: Agents) -> None:
    (host,) = await agents.begin(1)
    ahead = await happens(agents.cloud.store, host, "known")
    task = asyncio.create_task(agents.changes(host, ahead))
    await waiting_for([task])
    await agents.follower.step()
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()
    await happens(agents.cloud.store, host, "new")
    await agents.follower.step()
    assert (await task)["servers"] == {"new": 7}


async def test_what_is_too_old_for_the_log_is_looked_at_again_by_all_who_wait(agents: Agents) -> None:
    (host,) = await agents.begin(1)
    after = await agents.position(host)
    task = asyncio.create_task(agents.changes(host, after))
    await waiting_for([task])
    # The process slept; meanwhile much happened and the log was trimmed.
    for number in range(5):
        await happens(agents.cloud.store, host, f"s{number}")
    async with agents.cloud.store.write() as tx:
        await log.drop_before(tx, tx.clock.now() + 1000)
    await agents.follower.step()
    assert (await task)["resync"]


async def test_a_database_that_was_put_back_to_an_earlier_day_is_noticed_by_whoever_follows(agents: Agents) -> None:
    (host,) = await agents.begin(1)
    after = await happens(agents.cloud.store, host, *(f"s{number}" for number in range(5)))
    await agents.follower.step()
    task = asyncio.create_task(agents.changes(host, after))
    await waiting_for([task])
    async with agents.cloud.store.write() as tx:
        await tx.run("DELETE FROM events WHERE seq > ?", after - 3)
    await agents.follower.step()
    assert (await task)["resync"]
    assert agents.follower.position == after - 3


async def test_who_is_told_so_late_that_his_credential_was_revoked_hears_nothing(agents: Agents) -> None:
    (host,) = await agents.begin(1)
    after = await agents.position(host)
    headers = agents._said[host]
    task = asyncio.create_task(ask(agents.app, "GET", f"/v1/agent/changes?after={after}", headers=headers))
    await waiting_for([task])
    async with agents.cloud.store.write() as tx:
        await tx.run("DELETE FROM host_credentials")
    await happens(agents.cloud.store, host, "s")
    await agents.follower.step()
    assert (await task).status == 401
