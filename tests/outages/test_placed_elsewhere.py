"""A host that cannot build a server does not end it: another host is tried, with all that the server holds."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.api.compute.server_cloud import POWER, Cloud
from trivet.domain.hosts import hosts
from trivet.domain.network.ports.ports import PORTS
from trivet.domain.servers import state as reports
from trivet.domain.servers.orders import Report
from trivet.domain.servers.server_groups import SERVER_GROUPS, ServerGroup
from trivet.domain.servers.servers import SERVERS, Server
from trivet.store.where import Where


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgres_cluster").migrated_database()
    async with Cloud(database) as cloud:
        yield cloud


async def row(cloud: Cloud, id: str) -> Server:
    async with cloud.store.read() as tx:
        return await tx.need(SERVERS, id, "server")


async def host_fails(
    cloud: Cloud, id: str, *, power: str | None = None, boots: int = 0, again: bool = False
) -> int | None:
    """The agent of its host says that it cannot be built."""
    server = await row(cloud, id)
    assert server.host_id is not None
    report = Report(
        server_id=id, host_id=server.host_id, revision=server.revision, error="The disk is broken.", again=again,
        power=power, boots=boots,  # type: ignore[arg-type] # as drivers spell it
    )  # fmt: skip
    async with cloud.store.write() as tx:
        return await reports.settle(tx, report)


async def made(cloud: Cloud, **server: object) -> str:
    return str((await cloud.create(**server)).ok()["server"]["id"])


async def claimed_at(cloud: Cloud, id: str) -> set[str]:
    return {provider for (provider,) in await cloud.rows("SELECT provider_id FROM claims WHERE consumer_id = ?", id)}


async def sold(cloud: Cloud) -> list[tuple[object, ...]]:
    return await cloud.rows("SELECT provider_id, class, used FROM inventories WHERE used > 0 ORDER BY 1, 2")


async def test_it_goes_to_another_host_with_its_claim_its_ports_and_its_quota(cloud: Cloud) -> None:
    id = await made(cloud)
    first = (await row(cloud, id)).host_id
    quota = await cloud.rows("SELECT scope_id, resource, used FROM quota_usages ORDER BY 1, 2")
    told = await host_fails(cloud, id, power="stopped")
    server = await row(cloud, id)
    assert told is None, "the host is told that the server is not its own any more"
    assert server.host_id not in (None, first) and server.failed_hosts == (first,)
    assert (server.status, server.task, server.fault) == ("building", "spawning", None)
    assert await claimed_at(cloud, id) == {server.host_id}
    assert {provider for provider, _, _ in await sold(cloud)} == {server.host_id}
    assert await cloud.rows("SELECT scope_id, resource, used FROM quota_usages ORDER BY 1, 2") == quota
    async with cloud.store.read() as tx:
        (port,) = await tx.select(PORTS, Where().equal("device_id", id))
    assert port.host_id == server.host_id
    await cloud.settle()
    assert (await cloud.show(id))["status"] == "ACTIVE"
    (action,) = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"]
    assert action["message"] is None


async def test_after_three_hosts_it_is_in_error_and_says_why(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await cloud.add_host(tx, "a fourth", vcpus=4)
    id = await made(cloud)
    tried = set()
    for _ in range(3):
        tried.add((await row(cloud, id)).host_id)
        await host_fails(cloud, id)
    shown = await cloud.show(id)
    assert len(tried) == 3
    assert shown["status"] == "ERROR" and "The disk is broken." in shown["fault"]["message"]
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    assert await sold(cloud) == []


async def test_without_another_host_it_is_in_error_at_once(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        for host in (await tx.select(hosts.HOSTS, order="name"))[1:]:
            await hosts.switch(tx, host, enabled=False, reason="repair")
    id = await made(cloud)
    before = await sold(cloud)
    await host_fails(cloud, id)
    assert (await cloud.show(id))["status"] == "ERROR"
    assert await sold(cloud) == before, "the claim stays where it was until the server is deleted"


async def test_an_error_that_may_pass_moves_nothing(cloud: Cloud) -> None:
    id = await made(cloud)
    first = (await row(cloud, id)).host_id
    await host_fails(cloud, id, again=True)
    assert (await row(cloud, id)).host_id == first


async def test_what_runs_on_a_host_is_not_built_a_second_time(cloud: Cloud) -> None:
    id = await made(cloud)
    first = (await row(cloud, id)).host_id
    await host_fails(cloud, id, power="running")
    server = await row(cloud, id)
    assert (server.host_id, server.status) == (first, "error")


async def test_what_ran_and_died_before_anybody_heard_of_it_is_not_built_elsewhere(cloud: Cloud) -> None:
    """It may have written on its disk meanwhile."""
    id = await made(cloud)
    first = (await row(cloud, id)).host_id
    await host_fails(cloud, id, power="crashed", boots=1)
    server = await row(cloud, id)
    assert (server.host_id, server.status) == (first, "error")


async def test_a_host_that_says_over_and_over_that_a_machine_died_is_heard_once(cloud: Cloud) -> None:
    id = await made(cloud)
    before = await row(cloud, id)
    report = Report(
        server_id=id, host_id=before.host_id or "", revision=before.revision, power="crashed", boots=1, builds=1,
        mending=True,
    )  # fmt: skip
    for _ in range(3):
        async with cloud.store.write() as tx:
            await reports.settle(tx, report)
    assert (await row(cloud, id)).revision == before.revision + 1


async def test_a_server_on_a_host_that_an_operator_chose_goes_nowhere_else(cloud: Cloud) -> None:
    id = await made(cloud, availability_zone="nova:host1", token=cloud.token("admin"))
    await host_fails(cloud, id)
    assert (await cloud.show(id, token=cloud.token("admin")))["OS-EXT-SRV-ATTR:host"] == "host1"
    assert (await cloud.show(id))["status"] == "ERROR"


async def test_the_zone_and_the_hints_still_hold(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await cloud.add_host(tx, "far", vcpus=4, zone="far")
    zoned = await made(cloud, availability_zone="far")
    await host_fails(cloud, zoned)
    assert (await cloud.show(zoned))["status"] == "ERROR"
    other = await cloud.made()
    apart = await made(cloud, hints={"different_host": other})
    for _ in range(3):
        await host_fails(cloud, apart)
        assert (await row(cloud, apart)).host_id != (await row(cloud, other)).host_id


@pytest.mark.parametrize("policy", ["affinity", "anti-affinity"])
async def test_the_group_still_rules(cloud: Cloud, policy: str) -> None:
    async with cloud.store.write() as tx:
        group = ServerGroup(
            id=cloud.parts.ids.uuid(), project_id="1" * 32, user_id="wei", name="g", created_at=0.0,
            policy=policy,  # type: ignore[arg-type] # one of its words
        )  # fmt: skip
        await tx.insert(SERVER_GROUPS, group)
    hints = {"group": group.id}
    one = await cloud.made(hints=hints)
    two = await made(cloud, hints=hints)
    await host_fails(cloud, two)
    first, second = await row(cloud, one), await row(cloud, two)
    if policy == "affinity":
        assert second.status == "error" and second.host_id == first.host_id
    else:
        assert second.status == "building" and second.host_id != first.host_id
    members = await cloud.rows("SELECT host_id, members FROM spreads WHERE rule_id = ? AND members > 0", group.id)
    placed = [first.host_id, second.host_id]
    assert {host: count for host, count in members if host in placed} == {host: placed.count(host) for host in placed}


async def test_a_late_report_of_the_first_host_changes_nothing(cloud: Cloud) -> None:
    id = await made(cloud)
    before = await row(cloud, id)
    await host_fails(cloud, id)
    moved = await row(cloud, id)
    assert before.host_id is not None
    report = Report(
        server_id=id, host_id=before.host_id, revision=before.revision, power=POWER["running"], boots=1, builds=1,  # type: ignore[arg-type] # as drivers spell it
        shape="1/512/1",
    )  # fmt: skip
    async with cloud.store.write() as tx:
        assert await reports.settle(tx, report) is None
        assert await reports.settle(tx, msgspec.structs.replace(report, error="no", power=None)) is None
    assert await row(cloud, id) == moved


async def test_what_was_asked_while_a_host_was_at_work_is_news_to_it(cloud: Cloud) -> None:
    """A delete that came in between the order and its report is not taken for the report's own change."""
    id = await made(cloud)
    before = await row(cloud, id)
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    assert before.host_id is not None
    report = Report(
        server_id=id, host_id=before.host_id, revision=before.revision, power="running", boots=1, builds=1,
        shape="1/512/1",
    )  # fmt: skip
    async with cloud.store.write() as tx:
        heard = await reports.settle(tx, report)
    assert heard is not None and heard < (await row(cloud, id)).revision
