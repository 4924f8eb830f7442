"""Ephemeral and swap disks: what a flavor has of them, a server gets, and a caller may have it otherwise."""

from typing import Any

import msgspec
import pytest
from tests.api.compute.server_cloud import Cloud, cloud

from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.drivers.contracts.machine import EmptyDisk

__all__ = ["cloud"]


@pytest.fixture
async def flavors(cloud: Cloud) -> Cloud:
    async with cloud.store.write() as tx:
        for name, ephemeral_gib, swap_mib in (("local", 2, 512), ("more", 3, 256), ("none", 0, 0)):
            flavor = Flavor(
                id=name, name=name, vcpus=1, ram_mib=512, disk_gib=1, ephemeral_gib=ephemeral_gib, swap_mib=swap_mib,
                created_at=0.0,
            )  # fmt: skip
            await tx.insert(FLAVORS, flavor)
    return cloud


async def disks(cloud: Cloud) -> list[tuple[str, int, str]]:
    ((text,),) = await cloud.rows("SELECT local_disks FROM servers WHERE deleted_at IS NULL")
    found = msgspec.json.decode(text, type=list[EmptyDisk])
    return [(disk.name, disk.size_mib, disk.format) for disk in found]


async def test_a_server_has_the_disks_of_its_flavor_and_holds_the_room(flavors: Cloud) -> None:
    id = await flavors.made(flavorRef="local")
    assert (await flavors.show(id))["status"] == "ACTIVE"
    assert await disks(flavors) == [("ephemeral0", 2048, "ext4"), ("swap", 512, "swap")]
    assert ("DISK_GB", 4) in await flavors.rows("SELECT class, used FROM claims WHERE consumer_id = ?", id)


@pytest.mark.parametrize(
    ("mapping", "made"),
    [
        ([{"guest_format": "ext3", "volume_size": 1}, {"volume_size": 1}],
         [("ephemeral0", 1024, "ext3"), ("ephemeral1", 1024, "ext4"), ("swap", 512, "swap")]),
        ([{"guest_format": "swap", "volume_size": 100}], [("ephemeral0", 2048, "ext4"), ("swap", 100, "swap")]),
        ([{}], [("ephemeral0", 2048, "ext4"), ("swap", 512, "swap")]),
    ],
)  # fmt: skip
async def test_a_caller_has_them_otherwise(flavors: Cloud, mapping: list[dict[str, Any]], made: Any) -> None:
    said = [{"source_type": "blank", "destination_type": "local", "boot_index": -1} | one for one in mapping]
    (await flavors.create(flavorRef="local", block_device_mapping_v2=said)).ok()
    assert await disks(flavors) == made


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ([{"volume_size": 3}], "larger than the instance type allows"),
        ([{"volume_size": 2}, {"volume_size": 1}], "larger than the instance type allows"),
        ([{"guest_format": "swap", "volume_size": 513}], "Swap drive requested is larger"),
        ([{"guest_format": "swap"}, {"guest_format": "swap"}], "More than one swap drive"),
        ([{"guest_format": "ntfs"}], "guest_format 'ntfs'"),
        ([{"boot_index": 0}], "cannot be booted from"),
    ],
)
async def test_more_than_the_flavor_has_is_refused(flavors: Cloud, mapping: list[dict[str, Any]], why: str) -> None:
    said = [{"source_type": "blank", "destination_type": "local", "boot_index": -1} | one for one in mapping]
    assert why in (await flavors.create(flavorRef="local", block_device_mapping_v2=said)).refused(400)
    (await flavors.create(flavorRef="none", block_device_mapping_v2=said)).refused(400)


async def test_the_older_words_ask_for_them_too(flavors: Cloud) -> None:
    said = [{"virtual_name": "swap", "device_name": "vdc", "volume_size": 64}]
    (await flavors.create(flavorRef="local", block_device_mapping=said)).ok()
    assert await disks(flavors) == [("ephemeral0", 2048, "ext4"), ("swap", 64, "swap")]


async def test_another_flavor_brings_its_own_and_an_ephemeral_disk_does_not_shrink(flavors: Cloud) -> None:
    id = await flavors.made(flavorRef="local")
    assert "does not shrink" in (await flavors.act(id, "resize", {"flavorRef": "none"})).refused(400)
    (await flavors.act(id, "resize", {"flavorRef": "more"})).ok()
    await flavors.settle()
    assert (await flavors.show(id))["status"] == "VERIFY_RESIZE"
    assert await disks(flavors) == [("ephemeral0", 3072, "ext4"), ("swap", 256, "swap")]
    (await flavors.act(id, "revertResize")).ok()
    await flavors.settle()
    assert (await flavors.show(id))["status"] == "ACTIVE"
    assert await disks(flavors) == [("ephemeral0", 2048, "ext4"), ("swap", 512, "swap")]


async def test_what_is_rebuilt_keeps_no_ephemeral_disk_and_says_so(flavors: Cloud) -> None:
    id = await flavors.made(flavorRef="local")
    said = {"imageRef": flavors.vm_image, "preserve_ephemeral": True}
    assert "not support preserving" in (await flavors.act(id, "rebuild", said)).refused(400)


async def test_a_container_has_none(flavors: Cloud) -> None:
    id = str((await flavors.create(flavorRef="local", imageRef=flavors.container_image)).ok()["server"]["id"])
    assert "swap disk" in (await flavors.show(id))["fault"]["message"]
