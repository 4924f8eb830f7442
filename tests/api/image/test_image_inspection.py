"""Bytes are looked at on their way in: what is not what it claims to be never becomes an image."""

import gzip
from collections.abc import Iterator

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
