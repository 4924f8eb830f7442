"""Servers that boot from volumes, or that are made with some: what is asked for is there when the server is."""

from typing import Any

import pytest
from tests.api.volume.volume_cloud import VolumeCloud, cloud

__all__ = ["cloud"]


def root(**words: Any) -> dict[str, Any]:
    return {"boot_index": 0, "destination_type": "volume", "delete_on_termination": True} | words


async def test_a_server_boots_from_a_volume_that_is_made_for_it_and_goes_with_it(cloud: VolumeCloud) -> None:
    disk = root(source_type="image", uuid=cloud.image_id, volume_size=2, volume_type="__DEFAULT__")
    server = await cloud.server(block_device_mapping_v2=[disk])
    assert server["image"] == ""
    ((volume),) = server["os-extended-volumes:volumes_attached"]
    made = await cloud.until(volume["id"], "in-use")
    assert (made["size"], made["bootable"], made["attachments"][0]["device"]) == (2, "true", "/dev/vda")
    path = f"/servers/{server['id']}/os-volume_attachments/{made['id']}"
    (await cloud.compute("DELETE", path)).refused(403)
    claims = await cloud.rows("SELECT class FROM claims WHERE consumer_id = ?", server["id"])
    assert ("DISK_GB",) not in claims
    assert (await cloud.compute("DELETE", f"/servers/{server['id']}")).status == 204
    await cloud.gone(f"/volumes/{made['id']}")


async def test_a_server_boots_from_a_volume_and_from_a_snapshot(cloud: VolumeCloud) -> None:
    volume = await cloud.volume(imageRef=cloud.image_id)
    snapshot = await cloud.snapshot(volume["id"])
    first = await cloud.server(block_device_mapping_v2=[root(source_type="volume", uuid=volume["id"])])
    disk = root(source_type="snapshot", uuid=snapshot["id"])
    second = await cloud.server(block_device_mapping_v2=[disk, {"source_type": "blank", "destination_type": "volume",
                                                               "volume_size": 1, "boot_index": -1}])  # fmt: skip
    assert first["os-extended-volumes:volumes_attached"][0]["id"] == volume["id"]
    assert len(second["os-extended-volumes:volumes_attached"]) == 2


async def test_a_server_with_a_disk_of_its_own_is_made_with_volumes(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    mapping = [
        {"source_type": "image", "destination_type": "local", "uuid": cloud.image_id, "boot_index": 0},
        {"source_type": "volume", "destination_type": "volume", "uuid": volume["id"], "boot_index": -1, "tag": "data"},
    ]
    server = await cloud.server(block_device_mapping_v2=mapping)
    assert server["image"]["id"] == cloud.image_id
    await cloud.until(volume["id"], "in-use")


async def test_a_volume_that_cannot_be_made_ends_the_server_that_needs_it(cloud: VolumeCloud) -> None:
    cloud.temper.failing.add("volume_create")
    disk = root(source_type="image", uuid=cloud.image_id, volume_size=1)
    server = await cloud.server(until="ERROR", block_device_mapping_v2=[disk])
    assert "told to fail" in server["fault"]["message"]
    assert (await cloud.compute("DELETE", f"/servers/{server['id']}")).status == 204

    async def all_gone() -> bool:
        return await cloud.rows("SELECT id FROM volumes") == []

    await cloud.eventually(all_gone, "nothing left")
    assert await cloud.used() == {"volumes": 0, "gigabytes": 0}


@pytest.mark.parametrize(
    "disk",
    [{"source_type": "volume", "uuid": "00000000-0000-4000-8000-000000000000"}, {"source_type": "image"},
     {"source_type": "blank", "volume_size": 1, "boot_index": 1}, {"source_type": "image", "uuid": "IMAGE"},
     {"source_type": "blank", "destination_type": "local", "volume_size": 1}],
)  # fmt: skip
async def test_a_mapping_that_cannot_be_is_refused_and_leaves_nothing(cloud: VolumeCloud, disk: dict[str, Any]) -> None:
    mapping = root(**{name: cloud.image_id if value == "IMAGE" else value for name, value in disk.items()})
    server = {"name": "s", "flavorRef": cloud.flavor_id, "networks": "none", "block_device_mapping_v2": [mapping]}
    (await cloud.compute("POST", "/servers", {"server": server})).refused(400)
    assert await cloud.rows("SELECT id FROM volumes") == []


async def test_anothers_volume_boots_no_server_of_mine(cloud: VolumeCloud) -> None:
    volume = await cloud.volume(token=cloud.theirs)
    mapping = [root(source_type="volume", uuid=volume["id"])]
    server = {"name": "s", "flavorRef": cloud.flavor_id, "networks": "none", "block_device_mapping_v2": mapping}
    (await cloud.compute("POST", "/servers", {"server": server})).refused(400)


async def test_a_server_that_left_its_host_comes_back_with_its_volumes(cloud: VolumeCloud) -> None:
    """Shelved and off its host: what it boots from, and what it has besides, is there when it is back."""
    admin = cloud.whole.token("admin", "1" * 32, "op")
    disk = root(source_type="image", uuid=cloud.image_id, volume_size=1)
    server, data = await cloud.server(block_device_mapping_v2=[disk]), await cloud.volume()
    await cloud.attach(server["id"], data["id"])
    path = f"/servers/{server['id']}"

    async def is_now(status: str) -> Any:
        async def there() -> Any:
            found = (await cloud.compute("GET", path)).ok("server")
            return found if found["status"] == status else None

        return await cloud.eventually(there, status)

    assert (await cloud.compute("POST", f"{path}/action", {"shelve": None})).status == 202
    await cloud.eventually(lambda: _shelved(cloud, path), "shelved")
    await cloud.compute("POST", f"{path}/action", {"shelveOffload": None}, token=admin)
    await is_now("SHELVED_OFFLOADED")
    assert (await cloud.compute("POST", f"{path}/action", {"unshelve": None})).status == 202
    back = await is_now("ACTIVE")
    assert {one["id"] for one in back["os-extended-volumes:volumes_attached"]} >= {data["id"]}
    assert (await cloud.show(data["id"]))["status"] == "in-use"


async def _shelved(cloud: VolumeCloud, path: str) -> bool:
    return bool((await cloud.compute("GET", path)).ok("server")["status"].startswith("SHELVED"))


async def test_a_new_servers_volume_is_of_the_type_that_is_named(cloud: VolumeCloud) -> None:
    for name, public in (("fast", True), ("secret", False)):
        said = {"volume_type": {"name": name, "os-volume-type-access:is_public": public}}
        assert (await cloud.call("POST", "/types", said, token=cloud.admin)).status == 200
    mapping = [
        root(source_type="image", uuid=cloud.image_id, volume_size=1, volume_type="fast"),
        {"source_type": "blank", "destination_type": "volume", "volume_size": 1, "volume_type": "fast"},
    ]
    server = await cloud.server(block_device_mapping_v2=mapping)
    ids = [one["id"] for one in server["os-extended-volumes:volumes_attached"]]
    assert [(await cloud.show(id))["volume_type"] for id in ids] == ["fast", "fast"]


@pytest.mark.parametrize("name", ["absent", "secret"])
async def test_a_type_that_is_not_there_for_the_caller_is_refused_before_anything_is_made(
    cloud: VolumeCloud, name: str
) -> None:
    said = {"volume_type": {"name": "secret", "os-volume-type-access:is_public": False}}
    assert (await cloud.call("POST", "/types", said, token=cloud.admin)).status == 200
    disk = root(source_type="image", uuid=cloud.image_id, volume_size=1, volume_type=name)
    server = {"name": "s", "flavorRef": cloud.flavor_id, "networks": "none", "block_device_mapping_v2": [disk]}
    assert name in (await cloud.compute("POST", "/servers", {"server": server})).refused(400)
    assert await cloud.rows("SELECT id FROM volumes") == []
    assert await cloud.rows("SELECT id FROM servers") == []
    assert await cloud.used() == {}
