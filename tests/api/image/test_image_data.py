"""An image's bytes: in, and out as they were, to whom they may go."""

import hashlib
from pathlib import Path

import pytest
from tests.api.image.image_cloud import Cloud, cloud

from trivet.domain.images import data as image_data
from trivet.store.tx import Tx

__all__ = ["cloud"]

MIB = 1 << 20


async def test_bytes_come_out_as_they_went_in_with_their_hashes(cloud: Cloud) -> None:
    image = await cloud.create()
    data = hashlib.shake_256(b"seed").digest(3 * MIB + 17)
    chunks = [data[at : at + 65_000] for at in range(0, len(data), 65_000)]
    assert (await cloud.upload_in_chunks(image["id"], chunks)).status == 204
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["size"], shown["virtual_size"]) == ("active", len(data), len(data))
    assert shown["checksum"] == hashlib.md5(data).hexdigest()
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    answer = await cloud.call("GET", f"/v2/images/{image['id']}/file")
    assert (answer.status, answer.raw) == (200, data)
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-md5"] == shown["checksum"]


async def test_bytes_that_are_gone_are_told_before_any_are_sent(cloud: Cloud) -> None:
    image = await cloud.create()
    assert (await cloud.upload(image["id"], b"0123456789")).status == 204
    async with cloud.parts.store.read() as tx:
        row = await tx.row("SELECT blob_key FROM images WHERE id = ?", image["id"])
    assert row is not None
    await cloud.parts.blobs.remove(row[0])
    for headers in ({}, {"range": "bytes=2-3"}):
        answer = await cloud.call("GET", f"/v2/images/{image['id']}/file", headers=headers)
        assert answer.status == 404
        assert b"is gone from this cloud's store" in answer.raw


async def test_an_image_without_bytes_has_no_content(cloud: Cloud) -> None:
    image = await cloud.create()
    answer = await cloud.call("GET", f"/v2/images/{image['id']}/file")
    assert (answer.status, answer.raw) == (204, b"")


@pytest.mark.parametrize(
    ("asked", "status", "found"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=8-", 206, b"89"),
        ("bytes=-2", 206, b"89"),
        ("bytes=5-100", 206, b"56789"),
        ("bytes=10-", 416, None),
        ("bytes=5-4", 416, None),
        ("lines=1-2", 416, None),
    ],
)
async def test_a_part_is_had_by_its_range(cloud: Cloud, asked: str, status: int, found: bytes | None) -> None:
    image = await cloud.active(b"0123456789")
    answer = await cloud.call("GET", f"/v2/images/{image['id']}/file", headers={"range": asked})
    assert answer.status == status
    if found is not None:
        assert answer.raw == found
        assert answer.headers["content-length"] == str(len(found))


async def test_bytes_are_written_once(cloud: Cloud) -> None:
    image = await cloud.active(b"first")
    (await cloud.upload(image["id"], b"second")).refused(409)
    assert (await cloud.call("GET", f"/v2/images/{image['id']}/file")).raw == b"first"


async def test_what_an_upload_needs_is_said_when_it_is_missing(cloud: Cloud) -> None:
    image = await cloud.create(disk_format=None)
    (await cloud.upload(image["id"], b"x")).refused(400)
    other = await cloud.create()
    (await cloud.call("PUT", f"/v2/images/{other['id']}/file", b"x", kind="text/plain")).refused(415)
    (await cloud.upload(other["id"], b"x", who="stranger")).refused(404)
    (await cloud.upload("11111111-2222-4333-8444-555555555555", b"x")).refused(404)


async def test_a_deactivated_image_is_read_by_operators_only(cloud: Cloud) -> None:
    image = await cloud.active(b"secret")
    path = f"/v2/images/{image['id']}"
    (await cloud.call("POST", f"{path}/actions/deactivate", who="stranger")).refused(404)
    assert (await cloud.call("POST", f"{path}/actions/deactivate")).status == 204
    assert (await cloud.show(image["id"]))["status"] == "deactivated"
    (await cloud.call("GET", f"{path}/file")).refused(403)
    assert (await cloud.call("GET", f"{path}/file", who="admin")).raw == b"secret"
    assert (await cloud.call("POST", f"{path}/actions/reactivate")).status == 204
    assert (await cloud.call("GET", f"{path}/file")).raw == b"secret"


async def test_a_deleted_image_leaves_no_bytes(cloud: Cloud) -> None:
    image = await cloud.active()
    assert len(await cloud.blob_keys()) == 1
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).ok()
    assert await cloud.blob_keys() == set()


async def test_a_snapshot_fills_the_image_that_was_expected(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.create("member", disk_format="qcow2")
    path = tmp_path / "snapshot"
    path.write_bytes(b"flat now")
    admitted = []

    async def admit(tx: Tx) -> None:
        admitted.append(tx)

    await image_data.fill_from_path(cloud.parts, image["id"], str(path), "raw", admit)
    assert admitted, "whoever has it was asked for his right to fill it"
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["disk_format"], shown["size"]) == ("active", "raw", 8)
