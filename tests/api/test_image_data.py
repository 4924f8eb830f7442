"""An image's bytes: in, looked at, out; and what is left when something dies on the way."""

import asyncio
import gzip
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.api.container_archives import Image as ContainerImage
from tests.api.container_archives import tar
from tests.api.image_cloud import OCTETS, Cloud, cloud_in

from trivet.controllers.images import ImageController
from trivet.domain import image_data, image_sweep, image_tasks, images
from trivet.domain.callers import Caller
from trivet.domain.image_tasks import LEASE_S
from trivet.drivers.web import Allowed, Web
from trivet.errors import Conflict
from trivet.store.store import transact

MIB = 1 << 20


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cloud]:
    database = request.getfixturevalue("postgres_cluster").new_database() if request.param == "postgres" else ""
    async with cloud_in(tmp_path / "blobs", database) as cloud:
        yield cloud


@pytest.fixture
def site() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A web server on loopback: (its address, path -> what it serves)."""
    served: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.get(self.path)
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            self.send_response(200 if body is not None else 404)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", served
    server.shutdown()
    server.server_close()
    thread.join()


def qcow2(*, version: int = 3, backing: int = 0, features: int = 0, size: int = 1 << 30) -> bytes:
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", version, backing, 8 if backing else 0, 16, size)
    return (head + bytes(72 - len(head)) + struct.pack(">QQQII", features, 0, 0, 4, 104)).ljust(65536, b"\0")


async def blobs(cloud: Cloud) -> set[str]:
    return await cloud.parts.blobs.keys()


# -- in and out


async def test_bytes_come_out_as_they_went_in_with_their_hashes(cloud: Cloud) -> None:
    image = await cloud.create()
    data = hashlib.shake_256(b"seed").digest(3 * MIB + 17)
    chunks = [data[at : at + 65_000] for at in range(0, len(data), 65_000)]
    assert (await cloud.send("PUT", f"/v2/images/{image['id']}/file", chunks)).status == 204
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["size"], shown["virtual_size"]) == ("active", len(data), len(data))
    assert shown["checksum"] == hashlib.md5(data).hexdigest()
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    answer = await cloud.call("GET", f"/v2/images/{image['id']}/file")
    assert (answer.status, answer.raw) == (200, data)
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-md5"] == shown["checksum"]


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
    assert len(await blobs(cloud)) == 1
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).ok()
    assert await blobs(cloud) == set()


# -- looked at


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
    assert await blobs(cloud) == set()
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


# -- dying on the way


async def test_a_client_that_goes_away_leaves_a_queued_image_and_no_bytes(cloud: Cloud) -> None:
    image = await cloud.create()
    await cloud.send("PUT", f"/v2/images/{image['id']}/file", [b"x" * MIB, b"y" * MIB, None])
    assert (await cloud.show(image["id"]))["status"] == "queued"
    assert await blobs(cloud) == set()
    (await cloud.upload(image["id"], b"again")).ok()


async def begun(cloud: Cloud, image: dict[str, Any]) -> str:
    """As a process leaves it that is killed in the middle of an upload."""
    caller = Caller(user_id="u", roles=frozenset(("member",)), project_id=image["owner"])
    key = image_data.new_key(cloud.parts)

    async def begin(tx: Any) -> None:
        await image_data.start_writing(tx, await images.owned(tx, caller, image["id"]), "saving", key)

    await transact(cloud.store, begin)
    sink = await cloud.parts.blobs.create(key)
    await sink.write(b"half of it")
    await sink.finish()
    return key


async def test_an_upload_that_was_killed_is_put_back_by_the_sweep(cloud: Cloud) -> None:
    image = await cloud.create()
    await begun(cloud, image)
    await image_sweep.sweep(cloud.parts)
    assert (await cloud.show(image["id"]))["status"] == "saving"
    cloud.clock.added_s += image_data.WRITER_DEAD_S + 1
    await image_sweep.sweep(cloud.parts)
    assert (await cloud.show(image["id"]))["status"] == "queued"
    assert await blobs(cloud) == set()


async def test_orphans_go_after_an_hour_and_nothing_else_does(cloud: Cloud) -> None:
    kept = await cloud.active(b"kept")
    orphan = image_data.new_key(cloud.parts)
    for key in (orphan, "object.of.others"):
        sink = await cloud.parts.blobs.create(key)
        await sink.finish()
    await image_sweep.sweep(cloud.parts)
    assert len(await blobs(cloud)) == 3
    cloud.clock.added_s += image_sweep.ORPHAN_S + 1
    await image_sweep.sweep(cloud.parts)
    found = await blobs(cloud)
    assert orphan not in found
    assert "object.of.others" in found
    assert len(found) == 2
    token = cloud.token(kept["owner"], "member")
    assert (await cloud.call("GET", f"/v2/images/{kept['id']}/file", who=token)).raw == b"kept"


async def test_a_delete_that_was_killed_before_the_bytes_went_is_finished(cloud: Cloud) -> None:
    image = await cloud.active(b"bytes")
    caller = Caller(user_id="u", roles=frozenset(("member",)), project_id=image["owner"])
    await transact(cloud.store, lambda tx: images.delete(tx, caller, image["id"]))
    assert len(await blobs(cloud)) == 1
    await image_sweep.sweep(cloud.parts)
    assert await blobs(cloud) == set()


async def test_deleting_an_image_while_it_is_uploaded_ends_the_upload(cloud: Cloud) -> None:
    image = await cloud.create()
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        waiting.set()
        await go_on.wait()
        yield b"y"

    caller = Caller(user_id="u", roles=frozenset(("member",)), project_id=image["owner"])
    uploading = asyncio.create_task(image_data.upload(cloud.parts, caller, image["id"], slowly()))
    await waiting.wait()
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).ok()
    go_on.set()
    with pytest.raises(Exception, match="was deleted while"):
        await uploading
    assert await blobs(cloud) == set()


async def test_a_writer_that_was_given_up_cannot_finish_over_its_successor(cloud: Cloud) -> None:
    image = await cloud.create()
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        waiting.set()
        await go_on.wait()
        yield b"of the slow one"

    caller = Caller(user_id="u", roles=frozenset(("member",)), project_id=image["owner"])
    slow = asyncio.create_task(image_data.upload(cloud.parts, caller, image["id"], slowly()))
    await waiting.wait()
    cloud.clock.added_s += image_data.WRITER_DEAD_S + 1
    await image_sweep.sweep(cloud.parts)
    (await cloud.upload(image["id"], b"of the successor")).ok()
    go_on.set()
    with pytest.raises(Conflict, match="taken over"):
        await slow
    assert (await cloud.call("GET", f"/v2/images/{image['id']}/file")).raw == b"of the successor"
    assert len(await blobs(cloud)) == 1


# -- imports


async def imported(cloud: Cloud, id: str, **method: str) -> Any:
    body = {"method": method}
    assert (await cloud.call("POST", f"/v2/images/{id}/import", body)).status == 202
    await cloud.images.settle()
    return await cloud.show(id)


async def test_staged_bytes_are_imported(cloud: Cloud) -> None:
    image = await cloud.create()
    (await cloud.call("PUT", f"/v2/images/{image['id']}/stage", b"staged", kind=OCTETS)).ok()
    assert (await cloud.show(image["id"]))["status"] == "uploading"
    answer = await cloud.call("POST", f"/v2/images/{image['id']}/import", {"method": {"name": "glance-direct"}})
    assert answer.status == 202
    assert (await cloud.show(image["id"]))["status"] == "importing"
    await cloud.images.settle()
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["stores"], shown["size"]) == ("active", "local", 6)
    assert "os_glance_importing_to_stores" not in shown
    assert len(await blobs(cloud)) == 1
    (task,) = (await cloud.call("GET", f"/v2/images/{image['id']}/tasks")).ok()["tasks"]
    assert (task["status"], task["request_id"]) == ("success", answer.headers["x-openstack-request-id"])
    assert task["input"]["import_req"]["method"]["name"] == "glance-direct"
    assert (await cloud.call("GET", f"/v2/tasks/{task['id']}", who="admin")).ok()["status"] == "success"
    assert len((await cloud.call("GET", "/v2/tasks", who="admin")).ok()["tasks"]) == 1
    (await cloud.call("GET", "/v2/tasks")).refused(403)


async def test_an_image_is_downloaded_from_the_web(cloud: Cloud, site: tuple[str, dict[str, bytes]]) -> None:
    url, served = site
    served["/disk.img"] = b"from the web" * 200_000
    image = await cloud.create()
    shown = await imported(cloud, image["id"], name="web-download", uri=f"{url}/to/{url}/disk.img")
    assert (shown["status"], shown["size"]) == ("active", len(served["/disk.img"]))


async def test_a_failed_import_says_why_and_can_be_tried_again(
    cloud: Cloud, site: tuple[str, dict[str, bytes]]
) -> None:
    url, served = site
    image = await cloud.create(disk_format="qcow2")
    shown = await imported(cloud, image["id"], name="web-download", uri=f"{url}/absent")
    assert (shown["status"], shown["os_glance_failed_import"]) == ("queued", "local")
    assert "404" in shown["trivet_fault"]
    served["/bad"] = b"not qcow2"
    shown = await imported(cloud, image["id"], name="web-download", uri=f"{url}/bad")
    assert "qcow2" in shown["trivet_fault"]
    served["/good"] = qcow2()
    shown = await imported(cloud, image["id"], name="web-download", uri=f"{url}/good")
    assert shown["status"] == "active"
    assert "os_glance_failed_import" not in shown
    assert len(await blobs(cloud)) == 1


async def test_our_own_network_is_not_reached_through_an_import(
    cloud: Cloud, site: tuple[str, dict[str, bytes]]
) -> None:
    url, served = site
    served["/disk.img"] = b"secret of the cloud"
    cloud.images = ImageController(cloud.parts, Web(Allowed()))
    image = await cloud.create()
    port = url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]"):
        shown = await imported(cloud, image["id"], name="web-download", uri=f"http://{host}:{port}/disk.img")
        assert shown["status"] == "queued"
        assert "not public" in shown["trivet_fault"] or "cannot be found" in shown["trivet_fault"], host


async def test_a_redirect_is_no_way_in_either(cloud: Cloud, site: tuple[str, dict[str, bytes]]) -> None:
    url, _ = site
    image = await cloud.create()
    shown = await imported(cloud, image["id"], name="web-download", uri=f"{url}/to/http://169.254.169.254/latest/")
    assert "169.254.169.254" in shown["trivet_fault"]


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ({"name": "telepathy"}, 400),
        ({"name": "web-download"}, 400),
        ({"name": "web-download", "uri": "file:///etc/passwd"}, 400),
        ({"name": "web-download", "uri": "http://user:secret@example.org/x"}, 400),
        ({"name": "web-download", "uri": "http:///x"}, 400),
        ({"name": "web-download", "uri": "docker://example.org/x"}, 409),
        ({"name": "glance-direct"}, 409),
        ({"name": "copy-image"}, 400),
        ({}, 400),
    ],
)
async def test_imports_that_cannot_be_are_refused_at_once(cloud: Cloud, method: dict[str, str], status: int) -> None:
    image = await cloud.create()
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", {"method": method})).refused(status)
    assert (await cloud.show(image["id"]))["status"] == "queued"


async def test_an_import_whose_process_died_is_done_by_another(
    cloud: Cloud, site: tuple[str, dict[str, bytes]]
) -> None:
    url, served = site
    served["/disk.img"] = b"late but whole"
    image = await cloud.create()
    body = {"method": {"name": "web-download", "uri": f"{url}/disk.img"}}
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).ok()
    dying = asyncio.create_task(cloud.images.settle())
    while (await cloud.show(image["id"]))["status"] != "importing" or not cloud.images._running:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    for running in cloud.images._running.values():
        running.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    successor = ImageController(cloud.parts, Web(Allowed("127.0.0.1")))
    cloud.clock.added_s += LEASE_S + 1
    await image_sweep.sweep(cloud.parts)
    await successor.settle()
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["size"]) == ("active", len(served["/disk.img"]))
    assert len(await blobs(cloud)) == 1


async def test_a_location_is_copied_and_held_against_its_hash(cloud: Cloud, site: tuple[str, dict[str, bytes]]) -> None:
    url, served = site
    served["/disk.img"] = b"located"

    async def locate(value: str) -> Any:
        image = await cloud.create()
        data = {"url": f"{url}/disk.img", "validation_data": {"os_hash_algo": "sha512", "os_hash_value": value}}
        answer = await cloud.call("POST", f"/v2/images/{image['id']}/locations", data)
        if answer.status != 202:
            return answer.status
        await cloud.images.settle()
        return (await cloud.show(image["id"]))["status"]

    assert await locate(hashlib.sha512(b"located").hexdigest()) == "active"
    assert await locate("beefdead" * 16) == "queued"
    assert await locate("beefdead") == 400


async def test_a_snapshot_fills_the_image_that_was_expected(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.create("member", disk_format="qcow2")
    path = tmp_path / "snapshot"
    path.write_bytes(b"flat now")
    await image_data.fill_from_path(cloud.parts, image["id"], str(path), "raw")
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["disk_format"], shown["size"]) == ("active", "raw", 8)


async def test_ways_in_and_stores_are_told(cloud: Cloud) -> None:
    methods = (await cloud.call("GET", "/v2/info/import", who="reader")).ok()["import-methods"]["value"]
    assert methods == ["glance-direct", "web-download"]
    (store,) = (await cloud.call("GET", "/v2/info/stores")).ok()["stores"]
    assert (store["id"], store["default"]) == ("local", "true")
    assert json.dumps(store)


async def test_an_import_that_kills_its_process_every_time_is_given_up(cloud: Cloud) -> None:
    image = await cloud.create()
    (await cloud.call("PUT", f"/v2/images/{image['id']}/stage", b"staged", kind=OCTETS)).ok()
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", {"method": {"name": "glance-direct"}})).ok()
    async with cloud.store.read() as tx:
        (id,) = await image_tasks.open_ids(tx)
    for _ in range(image_tasks.TRIES_MAX):
        assert await transact(cloud.store, lambda tx: image_tasks.take(tx, id)) is not None
        cloud.clock.added_s += LEASE_S + 1
    await cloud.images.settle()
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["os_glance_failed_import"]) == ("queued", "local")
    assert await blobs(cloud) == set()
