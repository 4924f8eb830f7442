"""What a hostile tenant tried with webhooks and lists of alarms. The class: somebody else's receiver, name or words are
waited for, or worked off, at everybody's cost."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.api.alarms.test_alarms import deliverer, fault, happen, subscribe
from tests.policies.records import new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.web import Allowed, Web


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path, web_allow="127.0.0.1") as cloud:
        yield cloud


class Receiver:
    """A real one, that takes what it is sent; or takes it and never says so."""

    def __init__(self) -> None:
        self.taken = 0
        self.url = ""
        self.ends = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            self.taken += 1
            writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        finally:
            writer.close()

    async def keep(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.ends.wait()
        writer.close()


@asynccontextmanager
async def listening(serve: Any) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.1)  # what was accepted is closed in the loop's own time


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    async with listening(found.serve) as found.url:
        yield found


@pytest.fixture
async def tarpit() -> AsyncIterator[str]:
    found = Receiver()
    async with listening(found.keep) as url:
        yield url
        found.ends.set()


@pytest.mark.parametrize("how", ["a receiver that never answers", "a name that nobody finds"])
async def test_who_is_waited_for_keeps_only_his_own_news_waiting(
    cloud: WholeCloud, receiver: Receiver, tarpit: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    find = socket.getaddrinfo

    def slow(host: str, *rest: Any, **words: Any) -> Any:
        if host == "slow.example":
            held.wait(60)
            raise OSError("nobody")
        return find(host, *rest, **words)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    url = "http://slow.example/" if how == "a name that nobody finds" else tarpit
    greedy = [await new_project(cloud, f"greedy {n}") for n in range(3)]
    modest = await new_project(cloud, "modest")
    await cloud.process.duties.give_back()
    for project in greedy:
        for _ in range(20):
            await subscribe(cloud, project.tokens(cloud)["member"], url=url)
        await happen(cloud, fault(project, key=f"of {project.id}"))
    await subscribe(cloud, modest.tokens(cloud)["member"], url=receiver.url)
    for n in range(20):
        await happen(cloud, fault(modest, key=f"own {n}"))
    sender = await deliverer(cloud, None)  # type: ignore[arg-type] # its own
    running = asyncio.create_task(sender.run())
    try:
        async with asyncio.timeout(30):
            while receiver.taken < 20:
                await asyncio.sleep(0.05)
        # Sixty are waited for, five seconds each: whoever waited in a row with them would have seen many tried again.
        async with cloud.process.parts.store.read() as tx:
            ((failures,),) = await tx.rows("SELECT SUM(failures) FROM alarm_subscriptions")
        assert int(failures) <= 24
        # And however long a name is looked for, no project has more than its own threads look for it.
        await asyncio.sleep(0 if url == tarpit else 6)
        assert len([one for one in threading.enumerate() if one.name.startswith("webhooks")]) <= 4 * 4
    finally:
        held.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("url", ["http://[::1", "http://host:99999/", "http://x:abc/", "http://[v1.x]/", "http:///x"])
async def test_what_is_no_address_is_a_refusal_and_no_bug(url: str) -> None:
    with pytest.raises(DriverError):
        await Web(Allowed()).post(url, b"", {})


@pytest.mark.parametrize("target", ["http://[::1", "http://host:99999/", "http://a\x01b/", "//[", "http://x\tz:1/"])
async def test_a_server_that_sends_us_to_no_address_is_a_refusal_and_no_bug(target: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode("latin-1"))
        writer.close()

    async with listening(serve) as url:
        with pytest.raises(DriverError):
            await Web(Allowed("127.0.0.1")).get(url)


@pytest.mark.parametrize(
    "path",
    [
        "/vnffm/v1/alarms?filter=" + ";".join(["(neq,id,x)"] * 3000),
        "/compute/v2.1/servers?not-tags-any=" + ",".join(f"t{n}" for n in range(8000)),
        "/compute/v2.1/servers?tags=" + ",".join(f"t{n}" for n in range(8000)),
    ],
    ids=["filters", "tags that are not", "tags"],
)
async def test_conditions_without_end_are_refused_in_words(cloud: WholeCloud, path: str) -> None:
    """The class: each word of a list becomes a condition, and the database takes so many."""
    mine = await new_project(cloud, "mine")
    place, _, query = path.partition("?")
    answer = await cloud.call("GET", place, token=mine.tokens(cloud)["reader"], query=query.encode())
    assert answer.status == 400, answer.raw[:200]
