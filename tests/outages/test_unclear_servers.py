"""A server of whose rows no order can be made: it is left as it is, who waits for it is told, and no other notices."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.api.compute.server_cloud import Cloud
from tests.outages.test_silent_engines import Host, OnAHost, on_a_host
from trivet.controllers.servers.servers import ServerController
from trivet.domain.host_link import order_building
from trivet.domain.servers import state as reports
from trivet.domain.servers.orders import Report
from trivet.drivers.contracts.network import Wire
from trivet.errors import Conflict
from trivet.hosting.local_link import LocalLink
from trivet.store import leases
from trivet.store.leases import Lease

__all__ = ["on_a_host"]


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud() as here:
        yield here


async def held(cloud: Cloud, name: str) -> Lease:
    async with cloud.store.write() as tx:
        lease = await leases.take(tx, name, "me", 60)
    assert lease is not None
    return lease


async def hosts(cloud: Cloud) -> list[str]:
    return [str(row[0]) for row in await cloud.rows("SELECT id FROM hosts")]


async def new(cloud: Cloud, count: int) -> list[str]:
    on = [{"uuid": cloud.network_id}]
    return [str((await cloud.create(networks=on)).ok()["server"]["id"]) for _ in range(count)]


async def spoiled(cloud: Cloud) -> str:
    """One whose subnet is none."""
    async with cloud.store.write() as tx:
        red = await cloud.add_network(tx, "red", "10.9.0.0/24")
    id = str((await cloud.create(networks=[{"uuid": red}])).ok()["server"]["id"])
    async with cloud.store.write() as tx:
        await tx.run("UPDATE subnets SET cidr = 'nonsense' WHERE network_id = ?", red)
    return id


async def time_is_over(cloud: Cloud, id: str) -> None:
    async with cloud.store.write() as tx:
        await tx.run("UPDATE servers SET deadline_at = ? WHERE id = ?", tx.clock.now() - 1, id)
    controller, lease = ServerController(cloud.store), await held(cloud, "servers")
    for _ in range(7):
        await controller.step(lease)
        cloud.clock.passed_s += 10
    await controller.step(lease)


async def late(cloud: Cloud, id: str) -> str:
    """What it says once its time is over."""
    await time_is_over(cloud, id)
    shown = await cloud.show(id)
    assert shown["status"] == "ERROR"
    return str(shown["fault"]["message"])


@pytest.mark.parametrize("lot", [1, 2, 50])
async def test_all_others_have_their_orders(cloud: Cloud, lot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_building, "_LOT", lot)
    first, bad = (await new(cloud, 1))[0], await spoiled(cloud)
    unreadable, last = await new(cloud, 2)
    async with cloud.store.write() as tx:
        await tx.run("UPDATE servers SET flavor = '{' WHERE id = ?", unreadable)
    async with cloud.store.read() as tx:
        found = await order_building.build(tx, await hosts(cloud))
    assert {order.server_id for order in found.orders} == {first, last}
    assert found.unclear.keys() == {bad, unreadable}


async def test_who_waits_for_it_is_told_what_is_in_the_way(cloud: Cloud) -> None:
    bad, lease = await spoiled(cloud), await held(cloud, "agent")
    (unreadable,) = await new(cloud, 1)
    async with cloud.store.write() as tx:
        await tx.run("UPDATE servers SET flavor = '{' WHERE id = ?", unreadable)
    for _ in range(3):
        found = await LocalLink(cloud.parts, lease).orders(await hosts(cloud))
    assert found.orders == []
    said = await cloud.rows("SELECT revision FROM servers WHERE id = ?", bad)
    assert said == [(2,)], "it is said once"
    assert "cannot be described to its host" in await late(cloud, bad)


async def test_whoever_lost_the_host_says_nothing_of_it(cloud: Cloud) -> None:
    await spoiled(cloud)
    lease = msgspec.structs.replace(await held(cloud, "agent"), token=99)
    with pytest.raises(Conflict):
        await LocalLink(cloud.parts, lease).orders(await hosts(cloud))


async def test_what_an_engine_said_last_is_told_when_the_time_is_over(cloud: Cloud) -> None:
    (id,) = await new(cloud, 1)
    ((host, revision),) = await cloud.rows("SELECT host_id, revision FROM servers WHERE id = ?", id)
    why = "The engine did not answer within 180 s."
    for _ in range(2):
        async with cloud.store.write() as tx:
            revision = await reports.settle(tx, Report(id, host, revision, error=why, again=True))
    assert (await cloud.show(id))["status"] == "BUILD"
    assert (await late(cloud, id)).endswith(f"What was in the way: {why}")


async def test_what_was_in_the_way_and_passed_is_forgotten(cloud: Cloud) -> None:
    (id,) = await new(cloud, 1)
    ((host, revision),) = await cloud.rows("SELECT host_id, revision FROM servers WHERE id = ?", id)
    async with cloud.store.write() as tx:
        await reports.settle(tx, Report(id, host, revision, error="Busy.", again=True))
    await cloud.settle()
    assert await cloud.rows("SELECT status, fault FROM servers WHERE id = ?", id) == [("active", None)]


def test_a_host_takes_nothing_from_it_and_asks_again(on_a_host: OnAHost) -> None:
    async def live(host: Host) -> None:
        host.want("known", "unclear")
        wire = Wire(port_id="p", network_id="n", mac="m", mtu=1500, kind="tap")
        host.far.wanted["unclear"] = msgspec.structs.replace(host.far.wanted["unclear"], wires=(wire,))
        async with host.running():
            await asyncio.sleep(5)
            assert await host.up() == {"known", "unclear"}
            host.far.unclear = {"unclear"}
            host.vms.adopt("stray", "stray", "running", {})
            host.agent.hint({"unclear": 0})
            await asyncio.sleep(100)
            assert await host.up() == {"known", "unclear"}
            assert await host.wires.plugged() == {"p"}
            host.far.unclear = set()
            host.vms.crash("unclear")
            await asyncio.sleep(100)
            assert await host.up() == {"known", "unclear"}

    on_a_host(live)


@pytest.mark.parametrize(("heard", "status"), [(True, "ACTIVE"), (False, "ERROR")])
async def test_an_act_whose_time_is_over_ends_in_an_action_that_says_why(
    cloud: Cloud, heard: bool, status: str
) -> None:
    """The class: every act on a server that runs. A host that still speaks has it running; of a silent one nobody
    knows."""
    id = await cloud.made()
    (await cloud.act(id, "suspend")).ok()
    ((host, revision),) = await cloud.rows("SELECT host_id, revision FROM servers WHERE id = ?", id)
    if heard:
        async with cloud.store.write() as tx:
            await reports.settle(tx, Report(id, host, revision, error="The disk is full.", again=True))
    await time_is_over(cloud, id)
    shown = await cloud.show(id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == (status, None)
    newest = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"][0]
    assert (newest["action"], newest["message"]) == ("suspend", "Error")
    said = (await cloud.call("GET", f"/servers/{id}/os-instance-actions/{newest['request_id']}")).ok()
    details = said["instanceAction"]["events"][0]["details"]
    assert "did not finish suspending in time" in details
    assert ("The disk is full." in details) == heard
