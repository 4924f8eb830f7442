"""Soft deletion: a deleted server can be brought back for as long as the operator says, and takes no quota."""

import dataclasses
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import MINE, THEIRS
from tests.outages.test_unclear_servers import held

from trivet.controllers.servers.servers import ServerController

__all__ = ["cloud"]


def kept_for(cloud: Cloud, seconds: int) -> None:
    settings = dataclasses.replace(cloud.parts.settings, reclaim_servers_s=seconds)
    object.__setattr__(cloud.parts, "settings", settings)


async def state(cloud: Cloud, id: str) -> tuple[str, str, str | None]:
    view = await cloud.show(id, token=cloud.token("admin"))
    return view["status"], view["OS-EXT-STS:vm_state"], view["OS-EXT-STS:task_state"]


async def delete(cloud: Cloud, id: str) -> None:
    assert (await cloud.call("DELETE", f"/servers/{id}")).status == 204


async def deleted(cloud: Cloud) -> str:
    kept_for(cloud, 3600)
    id = await cloud.made()
    await delete(cloud, id)
    await cloud.settle()
    return id


async def used(cloud: Cloud) -> dict[str, int]:
    return dict(await cloud.rows("SELECT resource, used FROM quota_usages WHERE scope_id = ?", MINE))


async def listed(cloud: Cloud, **query: Any) -> list[str]:
    found = (await cloud.call("GET", "/servers", **query)).ok()["servers"]
    return [server["id"] for server in found]


async def test_a_deleted_server_rests_on_its_host_and_comes_back(cloud: Cloud) -> None:
    kept_for(cloud, 3600)
    id = await cloud.made()
    ports = await cloud.rows("SELECT id FROM ports WHERE device_id = ?", id)
    await delete(cloud, id)
    assert await state(cloud, id) == ("ACTIVE", "active", "soft-deleting")
    await cloud.settle()
    assert await state(cloud, id) == ("SOFT_DELETED", "soft-delete", None)
    assert await cloud.rows("SELECT power, want FROM servers") == [("stopped", "stopped")]
    assert await cloud.rows("SELECT id FROM ports WHERE device_id = ?", id) == ports
    assert (await cloud.act(id, "restore")).status == 202
    assert await state(cloud, id) == ("SOFT_DELETED", "soft-delete", "restoring")
    await cloud.settle()
    assert await state(cloud, id) == ("ACTIVE", "active", None)
    actions = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"]
    assert [action["action"] for action in actions] == ["restore", "delete", "create"]


async def test_it_takes_no_quota_until_it_is_back(cloud: Cloud) -> None:
    id = await deleted(cloud)
    assert (await used(cloud))["servers"] == 0
    async with cloud.store.write() as tx:
        await tx.run("UPDATE registered_limits SET default_limit = 1 WHERE resource_name = 'servers'")
    other = await cloud.made()
    (await cloud.act(id, "restore")).refused(403)
    assert (await state(cloud, id))[0] == "SOFT_DELETED"
    assert (await cloud.act(other, "forceDelete")).status == 202
    await cloud.settle()
    assert (await cloud.act(id, "restore")).status == 202
    assert (await used(cloud))["servers"] == 1


async def test_it_is_gone_for_good_when_its_time_is_over_and_nothing_is_given_back_twice(cloud: Cloud) -> None:
    id = await deleted(cloud)
    lease = await held(cloud, "servers")
    await ServerController(cloud.store).step(lease)
    assert (await state(cloud, id))[0] == "SOFT_DELETED"
    async with cloud.store.write() as tx:
        await tx.run("UPDATE servers SET reclaim_at = ?", tx.clock.now() - 1)
    await ServerController(cloud.store).step(lease)
    await cloud.settle()
    assert (await cloud.call("GET", f"/servers/{id}")).status == 404
    assert (await used(cloud))["servers"] == 0
    assert await cloud.rows("SELECT * FROM claims") == []


async def test_force_delete_is_at_once_before_and_after(cloud: Cloud) -> None:
    resting = await deleted(cloud)
    running = await cloud.made()
    for id in (resting, running):
        assert (await cloud.act(id, "forceDelete")).status == 202
        await cloud.settle()
        assert (await cloud.call("GET", f"/servers/{id}")).status == 404
    assert (await used(cloud))["servers"] == 0


async def test_it_is_in_no_list_but_in_that_of_what_can_come_back(cloud: Cloud) -> None:
    other, id = await cloud.made(), await deleted(cloud)
    assert await listed(cloud) == [other]
    assert await listed(cloud, status="SOFT_DELETED") == [id]
    admin = cloud.token("admin")
    assert sorted(await listed(cloud, soft_deleted="true", token=admin)) == sorted([id, other])
    assert await listed(cloud, vm_state="soft-delete", token=admin) == [id]


async def test_nothing_else_is_done_to_it(cloud: Cloud) -> None:
    id = await deleted(cloud)
    for action, said in (("os-start", None), ("reboot", {"type": "HARD"}), ("rebuild", {"imageRef": cloud.vm_image})):
        (await cloud.act(id, action, said)).refused(409)
    (await cloud.act(id, "os-resetState", {"state": "active"}, token=cloud.token("admin"))).refused(409)
    await delete(cloud, id)
    assert await state(cloud, id) == ("SOFT_DELETED", "soft-delete", None)


async def test_only_its_owner_brings_it_back_and_only_once(cloud: Cloud) -> None:
    id = await deleted(cloud)
    assert (await cloud.act(id, "restore", token=cloud.token(project_id=THEIRS))).status == 404
    assert (await cloud.act(id, "restore", token=cloud.token("reader"))).status == 403
    (await cloud.act(id, "restore")).ok()
    (await cloud.act(id, "restore")).refused(409)


async def test_what_never_ran_is_gone_at_once_and_so_is_all_where_nothing_is_kept(cloud: Cloud) -> None:
    kept_for(cloud, 3600)
    never = str((await cloud.create()).ok()["server"]["id"])
    await delete(cloud, never)
    await cloud.settle()
    assert (await cloud.call("GET", f"/servers/{never}")).status == 404
    kept_for(cloud, 0)
    id = await cloud.made()
    await delete(cloud, id)
    await cloud.settle()
    assert (await cloud.call("GET", f"/servers/{id}")).status == 404


@pytest.mark.parametrize("act", [("pause", None), ("suspend", None), ("os-stop", None), ("createImage", {"name": "i"})])
async def test_whatever_it_was_doing_it_can_be_brought_back(cloud: Cloud, act: tuple[str, Any]) -> None:
    kept_for(cloud, 3600)
    id = await cloud.made()
    (await cloud.act(id, *act)).ok()
    if act[0] != "createImage":
        await cloud.settle()
    await delete(cloud, id)
    await cloud.settle()
    assert (await state(cloud, id))[0] == "SOFT_DELETED"
    (await cloud.act(id, "restore")).ok()
    await cloud.settle()
    assert (await state(cloud, id))[0] == "ACTIVE"


async def test_a_host_that_cannot_stop_it_leaves_it_deleted(cloud: Cloud) -> None:
    kept_for(cloud, 3600)
    id = await cloud.made()
    await delete(cloud, id)
    cloud.failing = "The engine is away."
    await cloud.settle()
    assert (await state(cloud, id))[0] == "SOFT_DELETED"
    cloud.failing = ""
    await cloud.settle()
    assert await cloud.rows("SELECT power FROM servers WHERE id = ?", id) == [("stopped",)]
