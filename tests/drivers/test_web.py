"""What may be reached by a URL that a tenant gave, and what may not."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Event, Timer

import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.web import Allowed, TlsError, Web, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_of_our_own_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_the_rest_of_the_world_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_the_operator_lists_addresses_networks_and_names() -> None:
    allowed = Allowed("10.0.0.0/8, 192.168.1.7,Registry.Example, ::1")
    for host, address, good in (
        ("x", "10.200.0.1", True),
        ("x", "192.168.1.7", True),
        ("x", "192.168.1.8", False),
        ("registry.example", "172.16.0.1", True),
        ("x.registry.example", "172.16.0.1", False),
        ("x", "::1", True),
        ("x", "127.0.0.1", False),
    ):
        assert allowed.allows(host, ipaddress.ip_address(address)) is good, (host, address)


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_download_that_breaks_off_is_not_taken_for_whole() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf") as port:
        answer = await Web(Allowed("127.0.0.1")).get(f"http://127.0.0.1:{port}/")
        with pytest.raises(DriverError, match="broke off") as told:
            await answer.text(1000)
        assert told.value.again


async def test_who_gives_up_a_download_does_not_wait_for_its_next_byte() -> None:
    """Nor does the event loop, and everybody with it: in another thread the read may last for half a minute."""
    let_go, had_to_help = Event(), Event()

    def half_an_answer(listening: socket.socket) -> None:
        with listening.accept()[0] as client:
            client.recv(1)
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            let_go.wait(60)

    def help_out() -> None:
        had_to_help.set()
        let_go.set()

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        listening.settimeout(60)
        serving = thread.submit(half_an_answer, listening)
        answer = await Web(Allowed("127.0.0.1")).get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        reading = asyncio.create_task(answer.text(1000))
        await asyncio.sleep(0.2)
        helper = Timer(20, help_out)
        helper.start()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        helper.cancel()
        let_go.set()
        serving.result()
    assert reading.cancelled()
    assert not had_to_help.is_set()


async def test_an_endless_answer_is_cut() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000) as port:
        answer = await Web(Allowed("127.0.0.1")).get(f"http://127.0.0.1:{port}/")
        with pytest.raises(DriverError, match="longer than"):
            await answer.text(1000)


async def test_a_server_that_redirects_for_ever_is_left() -> None:
    async with answering(b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n") as port:
        with pytest.raises(DriverError, match="redirects more than"):
            await Web(Allowed("127.0.0.1")).get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/x", "gopher://127.0.0.1/"])
async def test_a_redirect_stays_with_http(target: str) -> None:
    reply = f"HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode()
    async with answering(reply) as port:
        with pytest.raises(DriverError, match="neither http nor https"):
            await Web(Allowed("127.0.0.1")).get(f"http://127.0.0.1:{port}/")


async def test_plain_http_is_told_from_tls() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(TlsError) as told:
            await Web(Allowed("127.0.0.1")).get(f"https://127.0.0.1:{port}/")
        assert isinstance(told.value.__cause__, ssl.SSLError)


async def test_nobody_there_is_worth_another_try() -> None:
    with pytest.raises(DriverError, match="cannot be reached") as told:
        await Web(Allowed("127.0.0.1")).get("http://127.0.0.1:1/")
    assert told.value.again
