"""Volumes of containers by the same calls as of VMs: where each appears, and what is refused."""

from typing import Any

import pytest
from tests.api.volume.volume_cloud import MINE, VolumeCloud, cloud

__all__ = ["cloud"]


def volume_of(id: str, **words: Any) -> dict[str, Any]:
    return {"source_type": "volume", "destination_type": "volume", "uuid": id, "boot_index": -1} | words


async def test_a_volume_goes_from_a_vm_to_a_container_and_back(cloud: VolumeCloud) -> None:
    vm = await cloud.server()
    cloud.image_id = await cloud.new_container_image("c", cloud.mine)
    container = await cloud.server()
    volume = await cloud.volume()
    for server, at in ((vm, "/dev/vdb"), (container, f"/mnt/{volume['id']}"), (vm, "/dev/vdb")):
        assert (await cloud.attach(server["id"], volume["id"]))["device"] == at
        shown = (await cloud.show(volume["id"]))["attachments"]
        assert [(one["server_id"], one["device"]) for one in shown] == [(server["id"], at)]
        path = f"/servers/{server['id']}/os-volume_attachments/{volume['id']}"
        assert (await cloud.compute("DELETE", path)).status == 202
        await cloud.until(volume["id"], "available")


async def test_a_container_is_made_with_volumes_where_it_wants_them(cloud: VolumeCloud) -> None:
    cloud.image_id = await cloud.new_container_image("c", cloud.mine)
    ids = [(await cloud.volume())["id"] for _ in range(3)]
    mapping = [
        {"source_type": "image", "destination_type": "local", "uuid": cloud.image_id, "boot_index": 0},
        volume_of(ids[0], device_name="/var/lib/data"),
        volume_of(ids[1], tag="logs"),
        volume_of(ids[2], device_name="vdc"),
    ]
    server = await cloud.server(block_device_mapping_v2=mapping)
    answer = await cloud.compute("GET", f"/servers/{server['id']}/os-volume_attachments")
    places = {one["volumeId"]: one["device"] for one in answer.ok("volumeAttachments")}
    assert places == dict(zip(ids, ("/var/lib/data", "/mnt/logs", "/dev/vdc"), strict=True))


@pytest.mark.parametrize(
    "device", ["/", "/dev", "/dev/../x", "/proc/1", "/sys", "/a/../b", "/a b", "/dev/Null", "/dev/a/b", "/a//b", "/a/"]
)
async def test_a_place_that_is_none_is_refused(cloud: VolumeCloud, device: str) -> None:
    cloud.image_id = await cloud.new_container_image("c", cloud.mine)
    server, volume = await cloud.server(), await cloud.volume()
    body = {"volumeAttachment": {"volumeId": volume["id"], "device": device}}
    (await cloud.compute("POST", f"/servers/{server['id']}/os-volume_attachments", body)).refused(400)
    assert (await cloud.show(volume["id"]))["status"] == "available"


async def test_a_tag_that_is_no_name_of_a_folder_is_refused_where_it_would_be_one(cloud: VolumeCloud) -> None:
    vm = await cloud.server()
    cloud.image_id = await cloud.new_container_image("c", cloud.mine)
    container, volume = await cloud.server(), await cloud.volume()
    body = {"volumeAttachment": {"volumeId": volume["id"], "tag": ".."}}
    (await cloud.compute("POST", f"/servers/{container['id']}/os-volume_attachments", body)).refused(400)
    await cloud.attach(vm["id"], volume["id"], tag="..")


async def test_a_vm_has_no_folders_to_mount_a_volume_at(cloud: VolumeCloud) -> None:
    server, volume = await cloud.server(), await cloud.volume()
    body = {"volumeAttachment": {"volumeId": volume["id"], "device": "/data"}}
    said = await cloud.compute("POST", f"/servers/{server['id']}/os-volume_attachments", body)
    assert "/dev/vdb" in said.refused(400)


async def test_a_container_boots_from_no_volume(cloud: VolumeCloud) -> None:
    cloud.image_id = await cloud.new_container_image("c", cloud.mine)
    disk = {"source_type": "image", "destination_type": "volume", "uuid": cloud.image_id, "volume_size": 1}
    server = {"name": "s", "flavorRef": cloud.flavor_id, "networks": [{"uuid": cloud.network_id}]}
    body = {"server": server | {"block_device_mapping_v2": [disk | {"boot_index": 0}]}}
    (await cloud.compute("POST", "/servers", body)).refused(400)
    assert (await cloud.used(MINE)).get("volumes", 0) == 0


async def test_what_many_may_write_is_a_device_in_a_container(cloud: VolumeCloud) -> None:
    vm = await cloud.server()
    cloud.image_id = await cloud.new_container_image("c", cloud.mine)
    container = await cloud.server()
    specs = {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}
    (await cloud.call("POST", "/types", specs, token=cloud.admin)).ok("volume_type")
    volume = await cloud.volume(volume_type="shared")
    await cloud.attach(vm["id"], volume["id"])
    body = {"volumeAttachment": {"volumeId": volume["id"], "device": "/data"}}
    said = await cloud.compute("POST", f"/servers/{container['id']}/os-volume_attachments", body)
    assert "as a device" in said.refused(400)
    assert (await cloud.attach(container["id"], volume["id"]))["device"] == "/dev/vdb"

    async def both() -> bool:
        return len((await cloud.show(volume["id"]))["attachments"]) == 2

    await cloud.eventually(both, "both have it")
