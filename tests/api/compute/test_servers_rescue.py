"""Rescue: a server boots from another image for a while, and is what it was afterwards."""

from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import THEIRS

__all__ = ["cloud"]


async def image(cloud: Cloud, name: str, **properties: str) -> str:
    async with cloud.store.write() as tx:
        return await cloud.add_image(tx, name, "qcow2", "bare", properties=properties)


async def rescued(cloud: Cloud, **how: Any) -> str:
    id = await cloud.made()
    (await cloud.act(id, "rescue", how or None)).ok()
    await cloud.settle()
    return id


async def test_a_server_is_rescued_and_comes_back(cloud: Cloud) -> None:
    id = await cloud.made()
    answer = await cloud.act(id, "rescue", {"adminPass": "open sesame"})
    assert (answer.status, answer.body) == (200, {"adminPass": "open sesame"})
    assert (await cloud.show(id))["OS-EXT-STS:task_state"] == "rescuing"
    await cloud.settle()
    view = await cloud.show(id)
    assert (view["status"], view["OS-EXT-STS:vm_state"], view["OS-EXT-STS:power_state"]) == ("RESCUE", "rescued", 1)
    assert view["image"]["id"] == cloud.vm_image
    assert (await cloud.act(id, "unrescue")).status == 202
    assert (await cloud.show(id))["OS-EXT-STS:task_state"] == "unrescuing"
    await cloud.settle()
    assert (await cloud.show(id))["status"] == "ACTIVE"
    actions = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"]
    assert [action["action"] for action in actions] == ["unrescue", "rescue", "create"]


async def test_a_password_is_made_where_none_is_said(cloud: Cloud) -> None:
    id = await cloud.made()
    assert len((await cloud.act(id, "rescue")).ok()["adminPass"]) >= 8


async def test_what_is_stopped_or_in_error_can_be_rescued_and_runs_afterwards(cloud: Cloud) -> None:
    for action, said in (("os-stop", None), ("os-resetState", {"state": "error"})):
        id = await cloud.made()
        (await cloud.act(id, action, said, token=cloud.token("admin"))).ok()
        await cloud.settle()
        (await cloud.act(id, "rescue")).ok()
        await cloud.settle()
        assert (await cloud.show(id))["status"] == "RESCUE"
        (await cloud.act(id, "unrescue")).ok()
        await cloud.settle()
        assert (await cloud.show(id))["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("action", "said", "method"),
    [("os-stop", None, "stop"), ("reboot", {"type": "HARD"}, "reboot"), ("pause", None, "pause"),
     ("suspend", None, "suspend"), ("rescue", None, "rescue"), ("rebuild", {"imageRef": "IMAGE"}, "rebuild"),
     ("createImage", {"name": "i"}, "createImage"), ("shelve", None, "shelve"),
     ("resize", {"flavorRef": "large"}, "resize")],
)  # fmt: skip
async def test_in_rescue_it_does_nothing_else(cloud: Cloud, action: str, said: Any, method: str) -> None:
    id = await rescued(cloud)
    if action == "rebuild":
        said = {"imageRef": cloud.vm_image}
    why = f"Cannot '{method}' instance {id} while it is in vm_state rescued"
    assert (await cloud.act(id, action, said)).refused(409) == why


async def test_what_is_not_in_rescue_does_not_leave_it(cloud: Cloud) -> None:
    id = await cloud.made()
    assert "while it is in vm_state active" in (await cloud.act(id, "unrescue")).refused(409)
    (await cloud.act(id, "pause")).ok()
    await cloud.settle()
    assert "while it is in vm_state paused" in (await cloud.act(id, "rescue")).refused(409)


async def test_a_rescued_server_is_deleted_and_locked_like_any_other(cloud: Cloud) -> None:
    id = await rescued(cloud)
    (await cloud.act(id, "lock")).ok()
    assert (await cloud.act(id, "unrescue")).refused(409) == f"Instance {id} is locked"
    (await cloud.act(id, "unlock")).ok()
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    assert (await cloud.call("GET", f"/servers/{id}")).status == 404


async def test_a_rescue_that_the_host_cannot_do_leaves_the_server_as_it_was(cloud: Cloud) -> None:
    id = await cloud.made()
    (await cloud.act(id, "rescue")).ok()
    cloud.failing = "The disk is full."
    await cloud.settle()
    cloud.failing = ""
    await cloud.settle()
    assert (await cloud.show(id))["status"] == "ACTIVE"
    assert await cloud.rows("SELECT rescue_image_id FROM servers") == [(None,)]
    action = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"][0]
    assert (action["action"], action["message"]) == ("rescue", "Error")


async def test_only_an_image_that_can_boot_it_rescues_it(cloud: Cloud) -> None:
    id = await cloud.made()
    private = await image(cloud, "theirs")
    async with cloud.store.write() as tx:
        await tx.run("UPDATE images SET visibility = 'private', project_id = ? WHERE id = ?", THEIRS, private)
    volumes = await image(cloud, "volumes", block_device_mapping="[]")
    for wrong in (private, volumes, cloud.container_image, "00000000-0000-4000-8000-000000000000"):
        why = (await cloud.act(id, "rescue", {"rescue_image_ref": wrong})).refused(400)
        assert why == f"Requested rescue image '{wrong}' is not supported"
    (await cloud.act(id, "rescue", {"rescue_image_ref": "no id"})).refused(400)
    (await cloud.act(id, "rescue", {"image": cloud.vm_image})).refused(400)
    assert (await cloud.show(id))["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("device", "bus", "shown"),
    [("disk", "virtio", ("disk", "virtio")), ("cdrom", "ide", ("cdrom", "ide")), ("disk", "usb", ("disk", "usb")),
     ("cdrom", None, ("cdrom", "ide")), (None, "scsi", ("disk", "scsi")), ("cdrom", "usb", None),
     ("floppy", "fdc", None)],
)  # fmt: skip
async def test_an_image_says_how_it_is_shown(
    cloud: Cloud, device: str | None, bus: str | None, shown: tuple[str, str] | None
) -> None:
    said = {name: word for name, word in (("hw_rescue_device", device), ("hw_rescue_bus", bus)) if word is not None}
    rescuer, id = await image(cloud, "rescuer", **said), await cloud.made()
    answer = await cloud.act(id, "rescue", {"rescue_image_ref": rescuer})
    if shown is None:
        assert "no host shows it as" in answer.refused(400)
        return
    answer.ok()
    ((rescue, image_id),) = await cloud.rows("SELECT rescue, rescue_image_id FROM servers")
    assert (f'"device":"{shown[0]}"' in rescue, f'"bus":"{shown[1]}"' in rescue, image_id) == (True, True, rescuer)


async def test_what_is_anothers_is_not_rescued(cloud: Cloud) -> None:
    id = await cloud.made()
    (await cloud.act(id, "rescue", token=cloud.token(project_id=THEIRS))).refused(404)
    (await cloud.act(id, "rescue", token=cloud.token("reader"))).refused(403)


async def test_a_container_boots_no_disk_and_says_so(cloud: Cloud) -> None:
    id = await cloud.made(imageRef=cloud.container_image)
    assert "a container boots no disk" in (await cloud.act(id, "rescue")).refused(409)
