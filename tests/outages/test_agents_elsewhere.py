"""An agent on another machine, when the API's disk or its own memory of what it did fails it; and what it tells guests.

The agent is a few HTTP calls; the API is the real one, with its blobs in a directory.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.compute.server_cloud import Cloud
from tests.api.one_service import Answer, ask
from tests.simulation import virtual_time
from tests.simulation.virtual_time import VirtualLoop
from trivet.agent.config_drive import config_drive
from trivet.agent.http_client import Ask, HttpClient
from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.host_link.service import SERVICE as AGENT
from trivet.api.kit.app import App
from trivet.domain.images.images import IMAGES
from trivet.domain.secrets import Secrets
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.files import FileBlobs, FileSink
from trivet.errors import Busy


class FullDisk(FileBlobs):
    full = False

    async def create(self, key: str) -> FileSink:
        if self.full:
            raise DriverError("The disk that keeps the bytes is full; free some space.", again=True)
        return await super().create(key)


class Elsewhere:
    """The agent of the host of one server."""

    def __init__(self, cloud: Cloud, blobs: FullDisk, server: str) -> None:
        self.cloud = cloud
        self.blobs = blobs
        self.server = server
        self._said: dict[str, str] = {"x-auth-token": cloud.token("admin")}

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        return await ask(self.cloud.app, method, f"/v1/agent{path}", body, headers=self._said)

    async def begin(self) -> None:
        sql = "SELECT h.name FROM servers s JOIN hosts h ON h.id = s.host_id WHERE s.id = ?"
        ((host,),) = await self.cloud.rows(sql, self.server)
        capacity = {"vcpus": 4, "memory_mib": 65536, "disk_gib": 1000}
        made = (await self.call("POST", "/credentials", {"host": host, "capacity": capacity})).ok()
        self._said["x-trivet-host-secret"] = made["secret"]
        facts = {"kinds": ["vm"], "vcpus": 4, "memory_mib": 65536, "disk_gib": 1000, "hypervisor_type": "sim"}
        self._said["x-trivet-session"] = (await self.call("POST", "/register", facts | {"holder": "aa"})).ok("session")

    async def order(self) -> Any:
        (order,) = (await self.call("POST", "/orders", {"servers": [self.server]})).ok("orders")
        return order

    async def hand_over(self, image: str) -> Answer:
        return await self.call("PUT", f"/images/{image}/file?format=raw", b"\0" * 1024)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Elsewhere]:
    async with Cloud() as cloud:
        blobs = cloud.parts.blobs = FullDisk(tmp_path / "blobs")
        cloud.parts.secrets = Secrets(b"the cloud's own key")
        cloud.app = App(cloud.parts, [COMPUTE, AGENT])
        made = Elsewhere(cloud, blobs, await cloud.made(config_drive=True))
        await made.begin()
        yield made


async def snapshot(agent: Elsewhere) -> str:
    made = await agent.cloud.act(agent.server, "createImage", {"name": "snap"})
    image = str(made.ok()["image_id"])
    assert (await agent.order())["snapshot_image_id"] == image
    return image


async def status(agent: Elsewhere, image: str) -> str:
    async with agent.cloud.store.read() as tx:
        return (await tx.need(IMAGES, image, "image")).status


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["error"]["code"]) == (status, code), answer.body


async def test_a_full_disk_refuses_a_snapshot_in_words_and_takes_it_when_there_is_room(agent: Elsewhere) -> None:
    image = await snapshot(agent)
    agent.blobs.full = True
    refused(await agent.hand_over(image), 503, "blobs.away")
    assert await status(agent, image) == "queued"
    agent.blobs.full = False
    assert (await agent.hand_over(image)).status == 204
    assert await status(agent, image) == "active"


async def test_a_snapshot_that_was_handed_over_is_not_taken_twice(agent: Elsewhere) -> None:
    """Its agent died before it could say so, and comes again."""
    image = await snapshot(agent)
    assert (await agent.hand_over(image)).status == 204
    refused(await agent.hand_over(image), 409, "image.status")
    assert await status(agent, image) == "active"
    assert len(await agent.blobs.keys()) == 1


async def test_bytes_that_the_cloud_has_lost_are_said_to_be_gone(agent: Elsewhere) -> None:
    image = (await agent.order())["image"]
    path = f"/images/{image['id']}/file?key={image['blob_key']}"
    refused(await agent.call("GET", path), 404, "image.lost_bytes")
    sink = await agent.blobs.create(image["blob_key"])
    await sink.write(b"bytes")
    await sink.finish()
    assert (await agent.call("GET", path)).raw == b"bytes"


def test_a_far_side_that_takes_nothing_any_more_is_away() -> None:
    """Its machine hangs, say, or the network in between: nothing is refused and nothing read."""
    loop = VirtualLoop()

    async def live() -> float:
        taken = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await taken.wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
        client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", [])
        with pytest.raises(Busy, match="cannot be reached"):
            await client.call(Ask("PUT", "/", body=endless(), wait_s=1e6))
        after = loop.time()
        taken.set()
        server.close()
        return after

    assert virtual_time.run(loop, live()) < 3600


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(1 << 20)


def seed_in(tree: dict[str, str]) -> bytes:
    """Of the files of one door, as JSON carries them."""
    said = json.loads(base64.b64decode(tree["openstack/latest/meta_data.json"]))
    return base64.b64decode(said["random_seed"])


async def test_a_server_is_told_one_random_seed_at_every_door_and_nobody_else_is(agent: Elsewhere) -> None:
    wire = (await agent.order())["wires"][0]
    path = f"/metadata?network_id={wire['network_id']}&ip={wire['addresses'][0].partition('/')[0]}"
    files = f"/servers/{agent.server}/files"
    told = [seed_in((await agent.call("GET", where)).ok()) for where in (files, path, files, path)]
    assert len(set(told)) == 1 and len(told[0]) == 512
    # A rebuilt drive is the same to the byte.
    tree = {name: base64.b64decode(text) for name, text in (await agent.call("GET", files)).ok().items()}
    again = {name: base64.b64decode(text) for name, text in (await agent.call("GET", files)).ok().items()}
    assert config_drive(tree) == config_drive(again)
    agent.cloud.parts.secrets = Secrets(b"the key of another cloud")
    assert seed_in((await agent.call("GET", path)).ok()) != told[0]


def test_what_is_derived_for_one_purpose_tells_nothing_of_another() -> None:
    secrets = Secrets(b"a key")
    found = {
        secrets.derived("one"),
        secrets.derived("two"),
        Secrets(b"another").derived("one"),
        Secrets().derived("one"),
    }
    assert len(found) == 4
    assert secrets.derived("one") == Secrets(b"a key").derived("one")
