"""What servers that boot from volumes can do, and volumes of servers in every state."""

import json
from typing import Any

import pytest
from tests.api.volume.test_boot_from_volume import root
from tests.api.volume.volume_cloud import MINE, VolumeCloud, cloud

__all__ = ["cloud"]


async def from_volume(cloud: VolumeCloud, **words: Any) -> str:
    disk = root(source_type="image", uuid=cloud.image_id, volume_size=1) | words
    return str((await cloud.server(block_device_mapping_v2=[disk]))["id"])


async def act(cloud: VolumeCloud, id: str, action: str, said: Any = None, **how: Any) -> Any:
    return await cloud.compute("POST", f"/servers/{id}/action", {action: said}, **how)


async def status(cloud: VolumeCloud, id: str, wanted: str) -> Any:
    async def there() -> Any:
        found = (await cloud.compute("GET", f"/servers/{id}")).ok("server")
        return found if found["status"] == wanted and found["OS-EXT-STS:task_state"] is None else None

    return await cloud.eventually(there, wanted)


async def image_of(cloud: VolumeCloud, id: str, name: str = "copy") -> Any:
    answer = await act(cloud, id, "createImage", {"name": name, "metadata": {"mine": "yes"}})
    assert answer.status == 202, answer.raw
    return (await cloud.whole.call("GET", f"/image/v2/images/{answer.body['image_id']}", token=cloud.mine)).body


async def snapshot(cloud: VolumeCloud, id: str) -> Any:
    async def made() -> Any:
        found = (await cloud.call("GET", f"/snapshots/{id}")).ok("snapshot")
        return found if found["status"] == "available" else None

    return await cloud.eventually(made, "snapshot available")


async def test_an_image_of_it_is_snapshots_of_its_volumes_and_makes_others(cloud: VolumeCloud) -> None:
    id, data = await from_volume(cloud), await cloud.volume()
    await cloud.attach(id, data["id"])
    image = await image_of(cloud, id)
    assert (image["status"], image["size"], image["disk_format"]) == ("active", 0, "raw")
    assert (image["bdm_v2"], image["root_device_name"], image["mine"]) == ("True", "/dev/vda", "yes")
    mapping = json.loads(image["block_device_mapping"])
    assert [(one["source_type"], one["boot_index"], one["device_name"]) for one in mapping] == [
        ("snapshot", 0, "/dev/vda"),
        ("snapshot", None, "/dev/vdb"),
    ]
    for one in mapping:
        assert (await snapshot(cloud, one["snapshot_id"]))["name"] == "snapshot for copy"
    second = await cloud.server(imageRef=image["id"])
    assert second["image"] == ""
    assert len(second["os-extended-volumes:volumes_attached"]) == 2
    # As clients say it that name a device for every image.
    device = {"boot_index": 0, "uuid": image["id"], "source_type": "image", "destination_type": "volume",
              "volume_size": 1}  # fmt: skip
    third = await cloud.server(block_device_mapping_v2=[device], imageRef=image["id"])
    assert len(third["os-extended-volumes:volumes_attached"]) == 2
    ((action,), *_) = [(await cloud.compute("GET", f"/servers/{id}/os-instance-actions")).body["instanceActions"][:1]]
    assert action["action"] == "createImage"


@pytest.mark.parametrize(
    "mapping",
    ["no json", "{}", '[{"source_type": "snapshot", "snapshot_id": "x", "boot_index": 0}]',
     '[{"source_type": "volume", "destination_type": "volume", "uuid": "THEIRS", "boot_index": 0}]', "[[]]",
     '[{"source_type": "local"}]'],
)  # fmt: skip
async def test_what_an_image_says_of_disks_is_believed_as_little_as_a_client(cloud: VolumeCloud, mapping: str) -> None:
    theirs = await cloud.volume(token=cloud.theirs, imageRef=None)
    said = mapping.replace("THEIRS", theirs["id"])
    image = await cloud.new_image("odd", cloud.mine, block_device_mapping=said, bdm_v2="true")
    server = {"name": "s", "flavorRef": cloud.flavor_id, "networks": "none", "imageRef": image}
    (await cloud.compute("POST", "/servers", {"server": server})).refused(400)
    assert await cloud.rows("SELECT id FROM servers") == []


async def test_the_older_words_in_an_image_are_read_too(cloud: VolumeCloud) -> None:
    volume = await cloud.volume(imageRef=cloud.image_id)
    snapshot = await cloud.snapshot(volume["id"])
    mapping = json.dumps([{"device_name": "vda", "snapshot_id": snapshot["id"], "delete_on_termination": True}])
    image = await cloud.new_image("old", cloud.mine, block_device_mapping=mapping, root_device_name="/dev/vda")
    server = await cloud.server(imageRef=image)
    assert len(server["os-extended-volumes:volumes_attached"]) == 1


async def test_backups_of_it_are_refused_and_a_full_quota_of_snapshots_is_told(cloud: VolumeCloud) -> None:
    id = await from_volume(cloud)
    backup = {"name": "b", "backup_type": "daily", "rotation": 1}
    why = (await act(cloud, id, "createBackup", backup)).refused(400)
    assert why == "Backup is not supported for volume-backed instances."
    none = {"quota_class_set": {"snapshots": 0}}
    (await cloud.call("PUT", "/os-quota-class-sets/default", none, token=cloud.admin)).ok()
    (await act(cloud, id, "createImage", {"name": "none"})).refused(403)
    assert await cloud.rows("SELECT id FROM images WHERE name = 'none'") == []


async def test_it_is_rescued_with_an_image_that_comes_behind_its_disks(cloud: VolumeCloud) -> None:
    id = await from_volume(cloud)
    plain = {"rescue_image_ref": cloud.image_id}
    assert "Cannot rescue a volume-backed instance" in (await act(cloud, id, "rescue", plain)).refused(400)
    stable = await cloud.new_image("stable", cloud.mine, hw_rescue_device="disk", hw_rescue_bus="virtio")
    said = {"rescue_image_ref": stable}
    (await act(cloud, id, "rescue", said, version="2.86")).refused(400)
    assert (await act(cloud, id, "rescue", said)).status == 200
    await status(cloud, id, "RESCUE")
    data = await cloud.volume()
    body = {"volumeAttachment": {"volumeId": data["id"]}}
    (await cloud.compute("POST", f"/servers/{id}/os-volume_attachments", body)).refused(409)
    ((attached,),) = await cloud.rows("SELECT volume_id FROM volume_attachments")
    assert (await cloud.compute("DELETE", f"/servers/{id}/os-volume_attachments/{attached}")).refused(409)
    assert (await act(cloud, id, "unrescue")).status == 202
    await status(cloud, id, "ACTIVE")


async def test_it_leaves_its_host_at_once_when_it_is_shelved(cloud: VolumeCloud) -> None:
    id = await from_volume(cloud)
    assert (await act(cloud, id, "shelve")).status == 202
    await status(cloud, id, "SHELVED_OFFLOADED")
    assert await cloud.rows("SELECT id FROM images WHERE name LIKE '%-shelved'") == []
    assert (await act(cloud, id, "unshelve")).status == 202
    await status(cloud, id, "ACTIVE")


async def test_a_server_on_no_host_takes_volumes_and_comes_back_with_them(cloud: VolumeCloud) -> None:
    id, data, other = await from_volume(cloud), await cloud.volume(), await cloud.volume()
    await act(cloud, id, "shelve")
    await status(cloud, id, "SHELVED_OFFLOADED")
    for volume in (data, other):
        await cloud.attach(id, volume["id"])
    path = f"/servers/{id}/os-volume_attachments"
    assert (await cloud.compute("DELETE", f"{path}/{other['id']}", version="2.19")).status == 409
    assert (await cloud.compute("DELETE", f"{path}/{other['id']}")).status == 202
    await cloud.until(other["id"], "available")
    await act(cloud, id, "unshelve")
    back = await status(cloud, id, "ACTIVE")
    assert data["id"] in {one["id"] for one in back["os-extended-volumes:volumes_attached"]}
    assert (await cloud.compute("DELETE", f"{path}/{data['id']}")).status == 202
    await cloud.until(data["id"], "available")


@pytest.mark.parametrize(("action", "state"), [("os-stop", "SHUTOFF"), ("pause", "PAUSED")])
async def test_a_server_that_does_not_run_takes_volumes_and_gives_them_back(
    cloud: VolumeCloud, action: str, state: str
) -> None:
    server, data = await cloud.server(), await cloud.volume()
    await act(cloud, server["id"], action)
    await status(cloud, server["id"], state)
    await cloud.attach(server["id"], data["id"])
    assert (await cloud.compute("DELETE", f"/servers/{server['id']}/os-volume_attachments/{data['id']}")).status == 202
    await cloud.until(data["id"], "available")


async def test_a_suspended_server_keeps_the_disks_that_it_has(cloud: VolumeCloud) -> None:
    server, data = await cloud.server(), await cloud.volume()
    await act(cloud, server["id"], "suspend")
    await status(cloud, server["id"], "SUSPENDED")
    body = {"volumeAttachment": {"volumeId": data["id"]}}
    why = (await cloud.compute("POST", f"/servers/{server['id']}/os-volume_attachments", body)).refused(409)
    assert why == f"Cannot 'attach_volume' instance {server['id']} while it is in vm_state suspended"


async def test_a_swap_is_for_a_volume_that_migrates(cloud: VolumeCloud) -> None:
    server, data, other = await cloud.server(), await cloud.volume(), await cloud.volume()
    await cloud.attach(server["id"], data["id"])
    path = f"/servers/{server['id']}/os-volume_attachments/{data['id']}"
    body = {"volumeAttachment": {"volumeId": other["id"]}}
    (await cloud.compute("PUT", path, body)).refused(403)
    why = (await cloud.compute("PUT", path, body, token=cloud.whole.token("admin", MINE, "op"))).refused(409)
    assert why == f"volume {data['id']} is not migrating; this API should only be called by Cinder"


async def test_it_is_rebuilt_and_its_volume_is_made_anew(cloud: VolumeCloud) -> None:
    id, data = await from_volume(cloud), await cloud.volume()
    await cloud.attach(id, data["id"])
    other = await cloud.new_image("other", cloud.mine)
    why = (await act(cloud, id, "rebuild", {"imageRef": other}, version="2.92")).refused(400)
    assert why.endswith("Unable to rebuild with a different image for a volume-backed server.")
    answer = await act(cloud, id, "rebuild", {"imageRef": other})
    assert (answer.status, answer.body["server"]["status"], answer.body["server"]["image"]) == (202, "REBUILD", "")
    back = await status(cloud, id, "ACTIVE")
    volumes = [one["id"] for one in back["os-extended-volumes:volumes_attached"]]
    root_id = next(one for one in volumes if one != data["id"])
    volume = await cloud.until(root_id, "in-use")
    assert volume["volume_image_metadata"]["image_id"] == other
    assert (await cloud.show(data["id"]))["status"] == "in-use"
    # With its own image older clients may do it, too; then what the volume holds stays.
    assert (await act(cloud, id, "rebuild", {"imageRef": other}, version="2.92")).status == 202
    await status(cloud, id, "ACTIVE")


async def test_a_volume_that_cannot_be_made_anew_ends_the_rebuild(cloud: VolumeCloud) -> None:
    id = await from_volume(cloud)
    cloud.temper.failing.add("volume_refill")
    assert (await act(cloud, id, "rebuild", {"imageRef": cloud.image_id})).status == 202
    failed = await status(cloud, id, "ERROR")
    assert "told to fail" in failed["fault"]["message"]
    ((volume,),) = await cloud.rows("SELECT status FROM volumes")
    assert volume == "error"


async def test_an_image_that_is_larger_than_the_volume_does_not_rebuild_it(cloud: VolumeCloud) -> None:
    id = await from_volume(cloud)
    large = await cloud.new_image("large", cloud.mine, min_disk=2)
    assert "Volume is smaller than" in (await act(cloud, id, "rebuild", {"imageRef": large})).refused(400)
