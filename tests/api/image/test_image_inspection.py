"""Bytes are looked at on their way in: what is not what it claims to be never becomes an image."""

import gzip
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.api.image.container_archives import Image as ContainerImage
from tests.api.image.container_archives import tar
from tests.api.image.image_cloud import Cloud, cloud, qcow2

__all__ = ["cloud"]


@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("raw", qcow2()),
        ("qcow2", b"no such thing"),
        ("qcow2", qcow2(backing=1024)),
        ("qcow2", qcow2(features=4)),
        ("qcow2", qcow2(features=1 << 40)),
        ("qcow2", qcow2()[:50]),
        ("vmdk", b'# Disk DescriptorFile\nRW 1 FLAT "/etc/passwd" 0'.ljust(4096)),
        ("iso", b"\0" * 70_000),
        ("raw", b"x" * 4096 + b"conectix".ljust(512, b"\0")),
        ("oci", b"no archive"),
    ],
)
async def test_bytes_that_are_not_what_they_claim_are_refused_and_the_image_can_be_filled_again(
    cloud: Cloud, declared: str, data: bytes
) -> None:
    image = await cloud.create(disk_format=declared)
    message = (await cloud.upload(image["id"], data)).refused(415)
    assert "file" in message
    assert (await cloud.show(image["id"]))["status"] == "queued"
    assert await cloud.blob_keys() == set()
    (await cloud.patch(image["id"], {"op": "replace", "path": "/disk_format", "value": "raw"})).ok()
    (await cloud.upload(image["id"], b"plain")).ok()


async def test_a_qcow2_tells_how_large_its_disk_is(cloud: Cloud) -> None:
    image = await cloud.active(qcow2(size=5 << 30), disk_format="qcow2")
    assert image["virtual_size"] == 5 << 30


@pytest.mark.parametrize("words", [{"disk_format": "oci"}, {"container_format": "docker", "disk_format": "raw"}])
async def test_archives_of_containers_are_taken_in_both_layouts(cloud: Cloud, words: dict[str, str]) -> None:
    container = ContainerImage()
    for members in (container.oci_members(), container.docker_members()):
        image = await cloud.active(tar(members), **words)
        assert image["status"] == "active"


def spoiled(layout: str) -> Iterator[dict[str, bytes]]:
    """A whole image, with each member left out or changed in turn."""
    whole = getattr(ContainerImage(), f"{layout}_members")()
    for name in whole:
        if name != "oci-layout":
            yield {other: text for other, text in whole.items() if other != name}
            yield whole | {name: whole[name][:-1] + b"?"}


@pytest.mark.parametrize("layout", ["oci", "docker"])
async def test_a_spoiled_archive_is_refused(cloud: Cloud, layout: str) -> None:
    for members in spoiled(layout):
        image = await cloud.create(disk_format="oci")
        assert "archive" in (await cloud.upload(image["id"], tar(members))).refused(415)


async def test_a_layer_that_was_swapped_for_another_is_refused(cloud: Cloud) -> None:
    one = ContainerImage()
    other = gzip.compress(one.plain, mtime=1)
    assert len(one.layer) == len(other)
    members = one.oci_members()
    (name,) = [name for name, content in members.items() if content == one.layer]
    image = await cloud.create(disk_format="oci")
    assert "damaged" in (await cloud.upload(image["id"], tar(members | {name: other}))).refused(415)


async def test_an_archive_that_points_outside_is_refused(cloud: Cloud) -> None:
    image = await cloud.create(disk_format="oci")
    members = ContainerImage().oci_members() | {"../../etc/cron.d/x": b"x"}
    (await cloud.upload(image["id"], tar(members))).refused(415)


@pytest.mark.parametrize("container", ["ova", "compressed"])
@pytest.mark.parametrize("data", [qcow2(backing=1024), qcow2(), b"plain", b""])
async def test_a_container_format_is_no_way_around_the_look(cloud: Cloud, container: str, data: bytes) -> None:
    """The class: a word of the owner's that switches a check off. What is said to be packed must be packed."""
    image = await cloud.create(container_format=container, disk_format="qcow2")
    (await cloud.upload(image["id"], data)).refused(415)


async def test_what_is_packed_is_taken(cloud: Cloud) -> None:
    await cloud.active(tar({"disk.vmdk": b"x"}), container_format="ova", disk_format="vmdk")
    await cloud.active(gzip.compress(b"x"), container_format="compressed", disk_format="raw")


def vmdk(descriptor: bytes, capacity: int = 2048) -> bytes:
    head = b"KDMV" + struct.pack("<IIQQQQ", 1, 3, capacity, 128, 1, 20)
    return head.ljust(512, b"\0") + descriptor.ljust(20 * 512, b"\0")


GOOD_VMDK = b'# Disk DescriptorFile\ncreateType="monolithicSparse"\nRW 2048 SPARSE "disk.vmdk"\n'


@pytest.mark.parametrize(
    "data",
    [
        vmdk(GOOD_VMDK, capacity=0),
        vmdk(GOOD_VMDK + b' RW 1 FLAT "/etc/passwd" 0\n'),
        vmdk(GOOD_VMDK + b'rw 1 FLAT "/etc/passwd" 0\n'),
        vmdk(b'createType_x="monolithicSparse"\n' + GOOD_VMDK.replace(b"Sparse", b"Flat")),
        vmdk(GOOD_VMDK.replace(b"disk.vmdk", b"/etc/passwd")),
        vmdk(GOOD_VMDK.replace(b"SPARSE", b"FLAT")),
    ],
)
async def test_a_vmdk_that_a_reader_may_take_for_one_of_several_files_is_refused(cloud: Cloud, data: bytes) -> None:
    """What our look passes over and the engine's finds: other spellings, other places, a second line of the same."""
    image = await cloud.create(disk_format="vmdk")
    (await cloud.upload(image["id"], data)).refused(415)


async def test_a_vmdk_of_one_file_is_taken(cloud: Cloud) -> None:
    assert (await cloud.active(vmdk(GOOD_VMDK), disk_format="vmdk"))["virtual_size"] == 1 << 20


async def test_an_operator_may_let_in_what_is_not_what_it_says(cloud: Cloud) -> None:
    cloud.parts.settings = replace(cloud.parts.settings, image_format_match=False)
    for words in ({"disk_format": "qcow2"}, {"container_format": "ova", "disk_format": "vmdk"}):
        image = await cloud.active(b"something else", **words)
        assert (image["status"], image["virtual_size"]) == ("active", None)
    for data, words in ((qcow2(backing=1024), {"disk_format": "qcow2"}), (vmdk(b"x"), {"disk_format": "vmdk"})):
        image = await cloud.create(**words)
        (await cloud.upload(image["id"], data)).refused(415)
