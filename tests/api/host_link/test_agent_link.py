"""The agent's link, against a far side that misbehaves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from trivet.agent.http_link import HttpLink
from trivet.domain.servers.orders import ImageAt
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, TrivetError

BYTES = b"an image" * 10_000
IMAGE = ImageAt("one", "image.1.one", "raw")


def answer(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@asynccontextmanager
async def far_side(answers: list[bytes], *, hang_up: bool = False) -> AsyncIterator[str]:
    """Gives these answers in order, whatever is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while answers:
                await reader.readuntil(b"\r\n\r\n")
                said = answers.pop(0)
                writer.write(said)
                await writer.drain()
                if hang_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def sha512(data: bytes) -> str:
    return f"x-trivet-sha512: {hashlib.sha512(data).hexdigest()}"


def cached(data: Path) -> list[str]:
    return [path.name for path in (data / "images").iterdir() if not path.name.endswith(".part")]


async def test_an_image_is_fetched_once_and_kept(tmp_path: Path) -> None:
    async with far_side([answer("200 OK", BYTES, sha512(BYTES))]) as url:
        link = HttpLink(url, "s", tmp_path)
        paths = await asyncio.gather(*(link.image_path(IMAGE) for _ in range(5)))
        assert len(set(paths)) == 1
        assert Path(paths[0]).read_bytes() == BYTES
        await link.close()


BROKEN: dict[str, tuple[Callable[[], bytes], type[Exception]]] = {
    "damaged": (lambda: answer("200 OK", b"x" + BYTES[1:], sha512(BYTES)), DriverError),
    "cut": (lambda: answer("200 OK", BYTES[:-9], sha512(BYTES), length=len(BYTES)), Busy),
    "no digest at all": (lambda: answer("200 OK", BYTES), DriverError),
    "nonsense": (lambda: b"hello\r\n\r\n", Busy),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_an_image_that_arrives_broken_is_not_kept_and_may_be_tried_again(tmp_path: Path, how: str) -> None:
    make, kind = BROKEN[how]
    async with far_side([make(), answer("200 OK", BYTES, sha512(BYTES))], hang_up=True) as url:
        link = HttpLink(url, "s", tmp_path)
        with pytest.raises(kind):
            await link.image_path(IMAGE)
        assert cached(tmp_path) == []
        assert Path(await link.image_path(IMAGE)).read_bytes() == BYTES
        await link.close()


@pytest.mark.parametrize("key", ["../../etc/passwd", ".hidden", "a/b", ""])
async def test_a_name_from_afar_never_leaves_the_cache(tmp_path: Path, key: str) -> None:
    link = HttpLink("http://127.0.0.1:1", "s", tmp_path)
    with pytest.raises(DriverError, match="cannot be a file's"):
        await link.image_path(ImageAt("one", key, "raw"))


async def test_a_kept_connection_that_was_closed_is_replaced_without_a_word(tmp_path: Path) -> None:
    async with far_side([answer("200 OK", b"{}"), answer("200 OK", b"{}")], hang_up=True) as url:
        link = HttpLink(url, "s", tmp_path)
        assert await link.report([]) == {}
        await asyncio.sleep(0.05)
        assert await link.report([]) == {}
        await link.close()


@pytest.mark.parametrize(
    ("status", "code", "over"),
    [
        ("401 Unauthorized", "host_credential.unknown", True),
        ("409 Conflict", "lease.lost", True),
        ("403 Forbidden", "agent.elsewhere", False),
        ("503 Service Unavailable", "store.busy", False),
        ("502 Bad Gateway", "", False),
    ],
)
async def test_a_refusal_keeps_its_meaning_and_some_end_the_session(
    tmp_path: Path, status: str, code: str, over: bool
) -> None:
    body = b'{"error": {"code": "%s", "status": 1, "message": "no"}}' % code.encode() if code else b"<html>"
    async with far_side([answer(status, body)]) as url:
        link = HttpLink(url, "s", tmp_path)
        with pytest.raises(TrivetError) as refusal:
            await link.report([])
        assert refusal.value.code == (code or "api.refused")
        assert link.over.is_set() == over
        await link.close()


async def test_an_api_that_is_away_is_said_to_be_away(tmp_path: Path) -> None:
    link = HttpLink("http://127.0.0.1:1", "s", tmp_path)
    with pytest.raises(Busy, match="cannot be reached"):
        await link.heartbeat([])
    assert not link.over.is_set()
