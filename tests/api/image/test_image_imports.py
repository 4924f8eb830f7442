"""Imports: bytes that the cloud fetches or was left with, taken in later by whichever process is there."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from tests.api.image.image_cloud import OCTETS, Cloud, cloud, qcow2

from trivet.controllers.images import ImageController
from trivet.domain.images import data as image_data
from trivet.domain.images import tasks as image_tasks
from trivet.domain.images.tasks import LEASE_S
from trivet.drivers.web import Allowed, Web
from trivet.store.store import transact

__all__ = ["cloud"]


class Served(dict[str, bytes]):
    """Path -> what a web server serves there. Of what lies below /held it sends a half, and then waits."""

    def __init__(self) -> None:
        self.half_sent, self.go_on = Event(), Event()


@pytest.fixture
def site() -> Iterator[tuple[str, Served]]:
    """A web server on loopback: its address, and what it serves."""
    served = Served()

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
            half = len(body or b"") // 2 if self.path.startswith("/held/") else 0
            if half:
                self._say((body or b"")[:half])
                served.half_sent.set()
                served.go_on.wait(60)
            self._say((body or b"")[half:])

        def _say(self, some: bytes) -> None:
            with contextlib.suppress(ConnectionError):
                self.wfile.write(some)
                self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", served
    served.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


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
    assert shown["os_glance_importing_to_stores"] == ""
    assert len(await cloud.blob_keys()) == 1
    (task,) = (await cloud.call("GET", f"/v2/images/{image['id']}/tasks")).ok()["tasks"]
    assert (task["status"], task["request_id"]) == ("success", answer.headers["x-openstack-request-id"])
    assert task["input"]["import_req"]["method"]["name"] == "glance-direct"
    assert (await cloud.call("GET", f"/v2/tasks/{task['id']}", who="admin")).ok()["status"] == "success"
    assert len((await cloud.call("GET", "/v2/tasks", who="admin")).ok()["tasks"]) == 1
    (await cloud.call("GET", "/v2/tasks")).refused(403)


async def test_an_image_is_downloaded_from_the_web(cloud: Cloud, site: tuple[str, Served]) -> None:
    url, served = site
    served["/disk.img"] = b"from the web" * 200_000
    image = await cloud.create()
    shown = await imported(cloud, image["id"], name="web-download", uri=f"{url}/to/{url}/disk.img")
    assert (shown["status"], shown["size"]) == ("active", len(served["/disk.img"]))


@pytest.mark.parametrize("where", ["beside", "in the method", "as uri"])
async def test_what_an_import_means_is_kept_and_no_more(cloud: Cloud, where: str) -> None:
    """Rows that a tenant makes by the second hold what we know; a task held the whole body, and a list all of them."""
    image = await cloud.create()
    (await cloud.call("PUT", f"/v2/images/{image['id']}/stage", b"staged", kind=OCTETS)).ok()
    much = "x" * 100_000
    method = {"name": "glance-direct"}
    bodies: dict[str, Any] = {
        "beside": {"method": method, "much": much},
        "in the method": {"method": method | {"much": much}},
        "as uri": {"method": method | {"uri": much}},
    }
    answer = await cloud.call("POST", f"/v2/images/{image['id']}/import", bodies[where])
    assert answer.status == (400 if where == "as uri" else 202)
    shown = await cloud.call("GET", f"/v2/images/{image['id']}/tasks")
    assert len(json.dumps(shown.ok())) < 4000


async def test_a_failed_import_says_why_and_can_be_tried_again(cloud: Cloud, site: tuple[str, Served]) -> None:
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
    assert shown["os_glance_failed_import"] == ""
    assert len(await cloud.blob_keys()) == 1


async def test_our_own_network_is_not_reached_through_an_import(cloud: Cloud, site: tuple[str, Served]) -> None:
    url, served = site
    served["/disk.img"] = b"secret of the cloud"
    cloud.images = ImageController(cloud.parts, Web(Allowed()))
    image = await cloud.create()
    port = url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]"):
        shown = await imported(cloud, image["id"], name="web-download", uri=f"http://{host}:{port}/disk.img")
        assert shown["status"] == "queued"
        assert "not public" in shown["trivet_fault"] or "cannot be found" in shown["trivet_fault"], host


async def test_a_redirect_is_no_way_in_either(cloud: Cloud, site: tuple[str, Served]) -> None:
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
        ({"name": "copy-image"}, 409),
        ({}, 400),
    ],
)
async def test_imports_that_cannot_be_are_refused_at_once(cloud: Cloud, method: dict[str, str], status: int) -> None:
    image = await cloud.create()
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", {"method": method})).refused(status)
    assert (await cloud.show(image["id"]))["status"] == "queued"


async def test_an_import_whose_process_died_is_done_by_another(cloud: Cloud, site: tuple[str, Served]) -> None:
    url, served = site
    served["/held/disk.img"] = b"late but whole"
    image = await cloud.create()
    body = {"method": {"name": "web-download", "uri": f"{url}/held/disk.img"}}
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).ok()
    dying = asyncio.create_task(cloud.images.settle())
    assert await asyncio.to_thread(served.half_sent.wait, 30)
    for _, running in cloud.images._running.values():
        running.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    served.go_on.set()
    successor = ImageController(cloud.parts, Web(Allowed("127.0.0.1")))
    await cloud.silence(image_data.WRITER_DEAD_S)
    await successor.settle()
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["size"]) == ("active", len(served["/held/disk.img"]))
    assert len(await cloud.blob_keys()) == 1


async def test_a_location_is_copied_and_held_against_its_hash(cloud: Cloud, site: tuple[str, Served]) -> None:
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


async def test_ways_in_and_stores_are_told(cloud: Cloud) -> None:
    methods = (await cloud.call("GET", "/v2/info/import", who="reader")).ok()["import-methods"]["value"]
    assert methods == ["glance-direct", "web-download", "copy-image"]
    (store,) = (await cloud.call("GET", "/v2/info/stores")).ok()["stores"]
    assert (store["id"], store["default"]) == ("local", "true")
    assert json.dumps(store)


async def test_an_import_that_kills_its_process_every_time_is_given_up(cloud: Cloud) -> None:
    image = await cloud.create()
    (await cloud.call("PUT", f"/v2/images/{image['id']}/stage", b"staged", kind=OCTETS)).ok()
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", {"method": {"name": "glance-direct"}})).ok()
    async with cloud.store.read() as tx:
        ((id, _),) = await image_tasks.open_ones(tx, cloud.parts.sightings, 1)
    for _ in range(image_tasks.TRIES_MAX):
        assert await transact(cloud.store, lambda tx: image_tasks.take(tx, id, cloud.parts.sightings)) is not None
        await cloud.silence(LEASE_S)
    await cloud.images.settle()
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["os_glance_failed_import"]) == ("queued", "local")
    assert await cloud.blob_keys() == set()
