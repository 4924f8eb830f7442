"""Shelving: a server becomes an image, leaves its host, and comes back from that image wherever there is room.

The class: every act that gives a host back keeps what the server is (its disk, ports, addresses, quota) and nothing
of what it took there (room, a place in its group, wires).
"""

import dataclasses
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.outages.test_unclear_servers import held

from trivet.controllers.servers.servers import ServerController
from trivet.domain.host_link import order_building
from trivet.domain.servers import state as reports
from trivet.domain.servers.orders import Report

__all__ = ["cloud"]


async def status(cloud: Cloud, id: str) -> tuple[str, str | None]:
    view = await cloud.show(id)
    return view["status"], view["OS-EXT-STS:task_state"]


async def order_of(cloud: Cloud, id: str) -> Any:
    ((host,),) = await cloud.rows("SELECT host_id FROM servers WHERE id = ?", id)
    async with cloud.store.read() as tx:
        (order,) = (await order_building.build(tx, [str(host)], [id])).orders
    return order


def offloads_after(cloud: Cloud, seconds: int) -> None:
    settings = dataclasses.replace(cloud.parts.settings, shelved_offload_s=seconds)
    object.__setattr__(cloud.parts, "settings", settings)


async def images(cloud: Cloud) -> list[tuple[Any, ...]]:
    return await cloud.rows("SELECT name, status FROM images WHERE name LIKE '%-shelved'")


async def filled(cloud: Cloud, id: str) -> str:
    """The image that waits for the disk has it."""
    ((image,),) = await cloud.rows("SELECT shelved_image_id FROM servers WHERE id = ?", id)
    async with cloud.store.write() as tx:
        await tx.run("UPDATE images SET status = 'active', blob_key = 'saved' WHERE id = ?", image)
    return str(image)


async def shelved(cloud: Cloud, **said: Any) -> str:
    """One that has left its host."""
    id = await cloud.made(**said)
    (await cloud.act(id, "shelve")).ok()
    await filled(cloud, id)
    await cloud.settle()
    await cloud.settle()
    assert await status(cloud, id) == ("SHELVED_OFFLOADED", None)
    return id


async def test_a_shelved_server_is_saved_and_leaves_its_host_at_once(cloud: Cloud) -> None:
    id = await cloud.made(name="web")
    before = await cloud.show(id)
    assert (await cloud.act(id, "shelve")).status == 202
    assert await status(cloud, id) == ("ACTIVE", "shelving")
    assert (await order_of(cloud, id)).snapshot_image_id is not None
    assert await images(cloud) == [("web-shelved", "queued")]
    await filled(cloud, id)
    await cloud.settle()
    assert await status(cloud, id) == ("SHELVED", "shelving_offloading")
    assert (await order_of(cloud, id)).want == "gone"
    await cloud.settle()
    after = await cloud.show(id)
    assert (after["status"], after["OS-EXT-STS:task_state"], after["hostId"]) == ("SHELVED_OFFLOADED", None, "")
    assert after["addresses"] == before["addresses"], "its ports are kept"
    assert await cloud.rows("SELECT 1 FROM claims WHERE consumer_id = ?", id) == []
    assert await cloud.rows("SELECT host_id FROM ports WHERE device_id = ?", id) == [(None,)]
    quota = (await cloud.call("GET", "/limits")).ok()["limits"]["absolute"]
    assert quota["totalInstancesUsed"] == 1, "its quota is kept"


async def test_it_comes_back_from_its_image_which_then_goes(cloud: Cloud) -> None:
    id = await shelved(cloud, name="web")
    ((image, builds),) = await cloud.rows("SELECT shelved_image_id, builds FROM servers WHERE id = ?", id)
    (await cloud.act(id, "unshelve")).ok()
    assert await status(cloud, id) == ("SHELVED_OFFLOADED", "unshelving")
    order = await order_of(cloud, id)
    assert (order.image.id, order.builds, order.want, len(order.wires)) == (image, builds + 1, "running", 1)
    await cloud.settle()
    assert await status(cloud, id) == ("ACTIVE", None)
    assert await images(cloud) == []
    assert (await order_of(cloud, id)).image.id == cloud.vm_image, "a rebuild starts from its own image"
    assert await cloud.rows("SELECT COUNT(*) FROM claims WHERE consumer_id = ?", id) == [(3,)]


async def test_a_shelved_server_that_keeps_its_host_for_a_while_comes_back_in_place(cloud: Cloud) -> None:
    offloads_after(cloud, 600)
    id = await cloud.made(name="web")
    (await cloud.act(id, "shelve")).ok()
    await filled(cloud, id)
    await cloud.settle()
    assert await status(cloud, id) == ("SHELVED", None)
    (await cloud.act(id, "unshelve", {"availability_zone": "nova"})).refused(409)
    (await cloud.act(id, "unshelve")).ok()
    await cloud.settle()
    assert await status(cloud, id) == ("ACTIVE", None)
    assert await images(cloud) == []


async def test_it_leaves_its_host_when_its_time_is_over_or_an_operator_says_so(cloud: Cloud) -> None:
    offloads_after(cloud, 600)
    late, said = await cloud.made(), await cloud.made()
    for id in (late, said):
        (await cloud.act(id, "shelve")).ok()
        await filled(cloud, id)
    await cloud.settle()
    (await cloud.act(said, "shelveOffload")).refused(403)
    assert (await cloud.act(said, "shelveOffload", token=cloud.token("admin"))).status == 202
    async with cloud.store.write() as tx:
        await tx.run("UPDATE servers SET offload_at = ? WHERE id = ?", tx.clock.now() - 1, late)
    await ServerController(cloud.store).step(await held(cloud, "servers"))
    for id in (late, said):
        assert await status(cloud, id) == ("SHELVED", "shelving_offloading")
    await cloud.settle()
    for id in (late, said):
        assert await status(cloud, id) == ("SHELVED_OFFLOADED", None)
    (await cloud.act(said, "shelveOffload", token=cloud.token("admin"))).refused(409)


async def test_where_it_is_never_offloaded_only_an_operator_does(cloud: Cloud) -> None:
    offloads_after(cloud, -1)
    id = await cloud.made()
    (await cloud.act(id, "shelve")).ok()
    await filled(cloud, id)
    await cloud.settle()
    assert await cloud.rows("SELECT status, offload_at FROM servers WHERE id = ?", id) == [("shelved", None)]


async def test_without_room_it_stays_on_the_shelf_and_the_action_says_so(cloud: Cloud) -> None:
    id = await shelved(cloud)
    async with cloud.store.write() as tx:
        await tx.run("UPDATE inventories SET free = 0, capacity = used")
    (await cloud.act(id, "unshelve")).ok()
    assert await status(cloud, id) == ("SHELVED_OFFLOADED", None)
    newest = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"][0]
    assert (newest["action"], newest["message"]) == ("unshelve", "Error")


async def test_a_host_that_cannot_make_it_gives_its_room_back(cloud: Cloud) -> None:
    id = await shelved(cloud)
    (await cloud.act(id, "unshelve")).ok()
    ((host, revision),) = await cloud.rows("SELECT host_id, revision FROM servers WHERE id = ?", id)
    async with cloud.store.write() as tx:
        await reports.settle(tx, Report(id, str(host), revision, error="The image is damaged."))
    assert await status(cloud, id) == ("SHELVED_OFFLOADED", None)
    assert await cloud.rows("SELECT 1 FROM claims WHERE consumer_id = ?", id) == []
    assert len(await images(cloud)) == 1


async def test_deleting_it_takes_its_image_and_its_quota(cloud: Cloud) -> None:
    id = await shelved(cloud)
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    assert await images(cloud) == []
    quota = (await cloud.call("GET", "/limits")).ok()["limits"]["absolute"]
    assert quota["totalInstancesUsed"] == 0
    (await cloud.call("GET", f"/servers/{id}")).refused(404)


async def test_a_save_that_fails_leaves_the_server_stopped_and_no_image(cloud: Cloud) -> None:
    id = await cloud.made()
    (await cloud.act(id, "shelve")).ok()
    ((host, revision),) = await cloud.rows("SELECT host_id, revision FROM servers WHERE id = ?", id)
    async with cloud.store.write() as tx:
        await reports.settle(tx, Report(id, str(host), revision, power="stopped", boots=1, builds=1, error="Full."))
    assert await status(cloud, id) == ("SHUTOFF", None)
    assert await images(cloud) == []
    assert await cloud.rows("SELECT shelved_image_id, offload_at FROM servers WHERE id = ?", id) == [(None, None)]


@pytest.mark.parametrize("action", ["os-start", "pause", "shelve", "suspend", "createImage", "reboot"])
async def test_what_is_on_no_host_takes_no_other_acts(cloud: Cloud, action: str) -> None:
    id = await shelved(cloud)
    said = {"createImage": {"name": "x"}, "reboot": {"type": "HARD"}}.get(action)
    (await cloud.act(id, action, said)).refused(409)
