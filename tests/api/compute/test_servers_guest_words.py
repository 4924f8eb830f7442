"""What a guest is told while it runs: an interrupt that makes it dump, and a new password."""

from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import THEIRS

__all__ = ["cloud"]


async def with_agent(cloud: Cloud) -> str:
    async with cloud.store.write() as tx:
        image = await cloud.add_image(tx, "agent", "qcow2", "bare", properties={"hw_qemu_guest_agent": "yes"})
    return await cloud.made(imageRef=image)


async def newest(cloud: Cloud, id: str) -> Any:
    return (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"][0]


async def test_a_kernel_is_made_to_dump_and_the_server_goes_on(cloud: Cloud) -> None:
    id = await cloud.made()
    assert (await cloud.act(id, "trigger_crash_dump")).status == 202
    assert await cloud.rows("SELECT interrupts FROM servers") == [(1,)]
    assert (await newest(cloud, id))["action"] == "trigger_crash_dump"
    view = await cloud.show(id)
    assert (view["status"], view["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    (await cloud.act(id, "trigger_crash_dump", version="2.16")).refused(400)
    (await cloud.act(id, "trigger_crash_dump", {"now": True})).refused(400)
    (await cloud.act(id, "trigger_crash_dump", token=cloud.token(project_id=THEIRS))).refused(404)


@pytest.mark.parametrize(
    ("action", "status"), [("pause", 202), ("rescue", 202), ("os-stop", 409), ("suspend", 409), ("shelve", 409)]
)
async def test_it_is_for_what_runs(cloud: Cloud, action: str, status: int) -> None:
    id = await cloud.made()
    (await cloud.act(id, action)).ok()
    await cloud.settle()
    assert (await cloud.act(id, "trigger_crash_dump")).status == status


async def test_a_container_has_no_kernel_that_could_dump_and_no_agent(cloud: Cloud) -> None:
    id = await cloud.made(imageRef=cloud.container_image)
    assert "no kernel of its own" in (await cloud.act(id, "trigger_crash_dump")).refused(409)
    assert "no agent" in (await cloud.act(id, "changePassword", {"adminPass": "x"})).refused(409)


async def test_a_guest_with_an_agent_is_given_a_password(cloud: Cloud) -> None:
    id = await with_agent(cloud)
    ((before,),) = await cloud.rows("SELECT sealed_password FROM servers")
    assert (await cloud.act(id, "changePassword", {"adminPass": "open sesame"})).status == 202
    assert (await cloud.show(id))["status"] == "PASSWORD"
    await cloud.settle()
    assert (await cloud.show(id))["status"] == "ACTIVE"
    ((after, new, passwords),) = await cloud.rows("SELECT sealed_password, new_password, passwords FROM servers")
    assert (after != before, new, passwords) == (True, None, 1)
    assert (await newest(cloud, id))["action"] == "changePassword"


async def test_a_guest_whose_agent_is_silent_keeps_its_password(cloud: Cloud) -> None:
    id = await with_agent(cloud)
    ((before,),) = await cloud.rows("SELECT sealed_password FROM servers")
    (await cloud.act(id, "changePassword", {"adminPass": "x"})).ok()
    cloud.failing = "The agent inside the guest does not answer."
    await cloud.settle()
    cloud.failing = ""
    await cloud.settle()
    assert (await cloud.show(id))["status"] == "ACTIVE"
    assert await cloud.rows("SELECT sealed_password, new_password, passwords FROM servers") == [(before, None, 0)]
    assert (await newest(cloud, id))["message"] == "Error"


async def test_where_there_is_no_agent_a_password_is_refused(cloud: Cloud) -> None:
    id = await cloud.made()
    why = (await cloud.act(id, "changePassword", {"adminPass": "x"})).refused(409)
    assert "QEMU guest agent is not enabled" in why
    (await cloud.act(id, "changePassword", {})).refused(400)
    (await cloud.act(id, "changePassword")).refused(400)
    (await cloud.act(id, "os-stop")).ok()
    await cloud.settle()
    why = (await cloud.act(id, "changePassword", {"adminPass": "x"})).refused(409)
    assert why == f"Cannot 'set_admin_password' instance {id} while it is in vm_state stopped"
