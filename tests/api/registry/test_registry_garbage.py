"""What nobody refers to goes, and nothing else; whatever died on the way leaves nothing."""

import asyncio

import pytest
from tests.api.image.container_archives import Image, digest
from tests.api.registry.registry_cloud import APP, Cloud, cloud, said

from trivet.domain.registry import blobs

__all__ = ["cloud"]

HOUR = 3600.0


async def test_layers_go_with_the_last_image_that_names_them(cloud: Cloud) -> None:
    image = await cloud.push("1")
    await cloud.push("1", "mine/other", image=image)
    id = (await cloud.images())["app:1"]["id"]
    (await cloud.call("DELETE", f"/image/v2/images/{id}")).ok()
    assert said(await cloud.pull("1"), 404) in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN")
    await cloud.sweep(HOUR + 1)
    assert (await cloud.call("GET", f"/v2/mine/other/blobs/{digest(image.layer)}")).raw == image.layer
    assert (await cloud.call("GET", f"/v2/{APP}/blobs/{digest(image.layer)}")).status == 404
    assert (await cloud.call("DELETE", f"/v2/mine/other/manifests/{digest(image.manifest)}")).status == 202
    assert await cloud.images() == {}
    await cloud.sweep()
    assert (await cloud.keys(), await cloud.used(), await cloud.used("image_count_total")) == (set(), 0, 0)
    async with cloud.store.read() as tx:
        for table in ("repositories", "uploads", "blobs", "links", "manifests", "references", "tags"):
            assert await tx.row(f"SELECT * FROM registry_{table} LIMIT 1") is None, table


async def test_what_was_just_pushed_waits_for_its_manifest(cloud: Cloud) -> None:
    image = Image()
    for data in (image.config, image.layer):
        await cloud.push_blob(data)
    await cloud.sweep(HOUR - 100)
    for data in (image.config, image.layer):
        assert (await cloud.call("HEAD", f"/v2/{APP}/blobs/{digest(data)}")).status == 200
    await cloud.sweep(HOUR - 100)
    assert (await cloud.push_manifest(image.manifest, "1")).status == 201
    await cloud.sweep(HOUR + 1)
    assert (await cloud.call("GET", f"/v2/{APP}/blobs/{digest(image.layer)}")).raw == image.layer


async def test_an_upload_that_nobody_goes_on_with_expires(cloud: Cloud) -> None:
    location = await cloud.begin()
    await cloud.call("PATCH", location, b"half")
    await cloud.sweep(HOUR - 100)
    assert (await cloud.call("GET", location)).status == 204
    await cloud.sweep(101)
    assert said(await cloud.call("GET", location), 404) in ("BLOB_UPLOAD_UNKNOWN", "NAME_UNKNOWN")
    assert (await cloud.keys(), await cloud.used(), await cloud.used("image_count_uploading")) == (set(), 0, 0)


async def test_bytes_of_which_no_row_was_written_go_after_an_hour(cloud: Cloud) -> None:
    await cloud.push("1")
    kept = await cloud.keys()
    sink = await cloud.parts.blobs.create(blobs.new_key(cloud.parts))
    await sink.finish()
    await cloud.sweep(HOUR - 100)
    assert len(await cloud.keys()) == len(kept) + 1
    await cloud.sweep(200)
    assert await cloud.keys() == kept


async def test_a_blob_that_a_manifest_needs_is_not_taken_out(cloud: Cloud) -> None:
    image = await cloud.push("1")
    path = f"/v2/{APP}/blobs/{digest(image.layer)}"
    assert said(await cloud.call("DELETE", path), 405) == "UNSUPPORTED"
    await cloud.call("DELETE", f"/v2/{APP}/manifests/{digest(image.manifest)}")
    assert (await cloud.call("DELETE", path)).status == 202
    assert said(await cloud.call("DELETE", path), 404) in ("BLOB_UNKNOWN", "NAME_UNKNOWN")


@pytest.mark.parametrize("times", [4])
async def test_pushes_of_the_same_at_once_are_one_image(cloud: Cloud, times: int) -> None:
    image = Image()
    for data in (image.config, image.layer):
        locations = [await cloud.begin() for _ in range(times)]
        done = await asyncio.gather(
            *(cloud.call("PUT", one, data, query={"digest": digest(data)}) for one in locations)
        )
        assert {answer.status for answer in done} == {201}
    pushed = await asyncio.gather(*(cloud.push_manifest(image.manifest, str(n)) for n in range(times)))
    assert {answer.status for answer in pushed} == {201}
    assert await cloud.used("image_count_total") == 1
    assert len(await cloud.keys()) == 4, "a layer, a configuration, a manifest and how they are one archive"
