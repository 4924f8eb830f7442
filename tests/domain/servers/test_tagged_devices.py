"""Devices that were given a tag: what a guest is told of them, in its metadata and on its config drive."""

from typing import Any

import msgspec
from tests.api.volume.volume_cloud import VolumeCloud, cloud

from trivet.agent.device_places import placed
from trivet.domain.servers import metadata
from trivet.drivers.contracts.machine import DevicePlace

__all__ = ["cloud"]


async def devices(cloud: VolumeCloud, id: str, places: dict[str, DevicePlace]) -> list[dict[str, Any]]:
    parts = cloud.whole.process.parts
    async with parts.store.read() as tx:
        files = await metadata.files(tx, id, parts.secrets)
    assert "devices" not in msgspec.json.decode(files["openstack/2015-10-15/meta_data.json"])
    found = placed(files, places)["openstack/latest/meta_data.json"]
    assert b"trivet:at" not in found
    return list(msgspec.json.decode(found)["devices"])


async def test_a_guest_is_told_of_what_has_a_tag_and_where_it_is(cloud: VolumeCloud) -> None:
    plain, tagged = await cloud.volume(), await cloud.volume()
    mapping = [
        {"source_type": "image", "destination_type": "local", "uuid": cloud.image_id, "boot_index": 0, "tag": "boot"},
        {"source_type": "volume", "destination_type": "volume", "uuid": plain["id"], "boot_index": -1},
    ]
    server = await cloud.server(block_device_mapping_v2=mapping, networks=[{"uuid": cloud.network_id, "tag": "front"}])
    await cloud.attach(server["id"], tagged["id"], tag="data")
    ((attachment_id,),) = await cloud.rows("SELECT id FROM volume_attachments WHERE volume_id = ?", tagged["id"])
    ((port_id, mac),) = await cloud.rows("SELECT id, mac_address FROM ports WHERE device_id = ?", server["id"])
    places = {port_id: DevicePlace("pci", "0000:00:08.0"), "root": DevicePlace("pci", "0000:00:04.0"),
              attachment_id: DevicePlace("scsi")}  # fmt: skip
    assert await devices(cloud, server["id"], places) == [
        {"type": "nic", "mac": mac, "tags": ["front"], "bus": "pci", "address": "0000:00:08.0"},
        {"type": "disk", "path": "/dev/vda", "tags": ["boot"], "bus": "pci", "address": "0000:00:04.0"},
        {"type": "disk", "serial": tagged["id"], "path": "/dev/vdc", "tags": ["data"], "bus": "scsi"},
    ]


async def test_a_volume_that_it_boots_from_is_where_the_root_disk_is(cloud: VolumeCloud) -> None:
    disk = {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": cloud.image_id,
            "volume_size": 1, "tag": "boot"}  # fmt: skip
    server = await cloud.server(block_device_mapping_v2=[disk])
    ((found),) = await devices(cloud, server["id"], {"root": DevicePlace("pci", "0000:00:04.0")})
    assert (found["tags"], found["path"], found["address"]) == (["boot"], "/dev/vda", "0000:00:04.0")


async def test_nobody_is_told_of_what_has_no_tag(cloud: VolumeCloud) -> None:
    server = await cloud.server()
    assert await devices(cloud, server["id"], {}) == []
