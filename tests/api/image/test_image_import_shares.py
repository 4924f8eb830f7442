"""Imports that want to last for ever: each ends, and meanwhile others find a place.

The class: a server that a tenant chose decides how long one of our places is held. It may drip a body, drip headers, or
say nothing; and a tenant may ask for any number of imports from it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.api.image.image_cloud import Cloud, cloud

from trivet.controllers.images import ImageController
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.web import Allowed, Pace, Web

__all__ = ["cloud"]

Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEADERS = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HASTY = Pace(answer_s=1.0, bytes_s=1000, over_s=1.0)


async def silent(_: asyncio.StreamWriter) -> None:
    pass


async def drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.1)


async def body(writer: asyncio.StreamWriter) -> None:
    writer.write(HEADERS)
    await drip(writer, b"x")


async def chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    await drip(writer, b"1\r\nx\r\n")


async def headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await drip(writer, b"x: y\r\n")


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[str]:
    talking: list[asyncio.Task[None]] = []

    async def heard(writer: asyncio.StreamWriter) -> None:
        try:
            await talk(writer)
            await asyncio.Event().wait()
        finally:
            writer.close()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.append(asyncio.create_task(heard(writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/disk.img"
    finally:
        server.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await asyncio.sleep(0)


@pytest.mark.parametrize("talk", [silent, body, chunks, headers])
async def test_a_server_that_is_too_slow_is_hung_up_on(talk: Talk) -> None:
    web = Web(Allowed("127.0.0.0/8"), HASTY)

    async def fetch(url: str) -> None:
        async for _ in (await web.get(url)).chunks():
            pass

    async with serving(talk) as url:
        with pytest.raises(DriverError, match=r"slow|in time") as told:
            await asyncio.wait_for(fetch(url), 60)
        assert not told.value.again


async def ask(cloud: Cloud, url: str, who: str) -> str:
    image = await cloud.create(who)
    body = {"method": {"name": "web-download", "uri": url}}
    assert (await cloud.call("POST", f"/v2/images/{image['id']}/import", body, who=who)).status == 202
    return str(image["id"])


async def test_a_projects_endless_imports_leave_others_a_place(cloud: Cloud) -> None:
    async def quick(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nbytes")
        await writer.drain()
        writer.close()

    async with serving(silent) as endless, serving(quick) as good:
        for _ in range(20):
            await ask(cloud, endless, "member")
        await cloud.images.start_imports()
        id = await ask(cloud, good, "stranger")
        for _ in range(600):
            await cloud.images.start_imports()
            if (await cloud.show(id, "stranger"))["status"] == "active":
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the other project's import never had a place")
        await cloud.images._stop()


async def test_an_import_has_a_deadline(cloud: Cloud) -> None:
    async with serving(body) as url:
        id = await ask(cloud, url, "member")
        brief = ImageController(cloud.parts, Web(Allowed("127.0.0.0/8")), longest_s=1.0)
        await brief.settle()
        assert "is ended" in (await cloud.show(id))["trivet_fault"]
        assert await cloud.blob_keys() == set()
