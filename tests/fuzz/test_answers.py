"""How an answer leaves: whole, in one piece, and in order, whatever the request was."""

import hashlib
import json
import urllib.request
from collections.abc import Iterator

import pytest

from tests.fuzz.wire import GET, LOGIN, Wire, post
from tests.programs import PATIENCE_S
from trivet.testing import SimCloud

pytestmark = pytest.mark.filterwarnings("ignore")

BLOB = bytes(range(256)) * 20_000


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimCloud]:
    with SimCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def token(cloud: SimCloud) -> bytes:
    user = {"name": "admin", "password": cloud.password, "domain": {"id": "default"}}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    request = urllib.request.Request(f"{cloud.url}/identity/v3/auth/tokens", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        return str(reply.headers["X-Subject-Token"]).encode()


def get(path: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: cloud", *lines]) + b"\r\n\r\n"


@pytest.fixture(scope="module")
def download(cloud: SimCloud, token: bytes) -> bytes:
    """A request that is answered by a stream."""
    conn = cloud.connect()
    image = conn.image.create_image("blob", disk_format="raw", container_format="bare", data=BLOB, wait=True)
    return get(f"/image/v2/images/{image.id}/file".encode(), b"X-Auth-Token: " + token)


def test_head_and_body_come_in_one_piece(cloud: SimCloud, token: bytes) -> None:
    with Wire(cloud) as wire:
        for number, said in enumerate(
            (
                GET,
                get(b"/nothing"),
                get(b"/identity/v3/auth/tokens", b"X-Auth-Token: " + token, b"X-Subject-Token: " + token),
                post(LOGIN, b"Content-Length: %d" % len(LOGIN)),
            ),
            1,
        ):
            wire.send(said)
            _, _, body = wire.answer()
            assert body and wire.segments() == number


def test_a_stream_comes_whole_and_the_connection_goes_on(cloud: SimCloud, download: bytes) -> None:
    with Wire(cloud) as wire:
        for _ in range(2):
            wire.send(download)
            status, _, body = wire.answer()
            assert status == 200 and hashlib.sha256(body).digest() == hashlib.sha256(BLOB).digest()
        wire.send(GET)
        assert wire.answer()[0] == 200


def test_answers_in_one_pipe_are_whole_and_in_order(cloud: SimCloud, download: bytes) -> None:
    with Wire(cloud) as wire:
        wire.send(GET + download + get(b"/nothing") + download + GET)
        answers = [wire.answer() for _ in range(5)]
        assert [status for status, _, _ in answers] == [200, 200, 404, 200, 200]
        assert answers[1][2] == answers[3][2] == BLOB


def test_the_head_of_a_stream_has_its_length_and_nothing_follows(cloud: SimCloud, download: bytes) -> None:
    with Wire(cloud) as wire:
        wire.send(download.replace(b"GET", b"HEAD", 1) + GET)
        wire.answer(bodyless=True)
        assert wire.answer()[0] == 200


def test_an_answer_without_a_body_leaves_the_connection_open(cloud: SimCloud, token: bytes) -> None:
    revoke = get(b"/identity/v3/auth/tokens", b"X-Auth-Token: " + token, b"X-Subject-Token: " + token, method=b"HEAD")
    with Wire(cloud) as wire:
        wire.send(revoke)
        status, head, _ = wire.answer(bodyless=True)
        assert status in (200, 204) and b"connection" not in head.lower()
        wire.send(GET)
        assert wire.answer()[0] == 200


def test_who_says_close_gets_all_of_the_answer_first(cloud: SimCloud, download: bytes) -> None:
    for said in (GET, download):
        with Wire(cloud) as wire:
            wire.send(said.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            status, head, body = wire.answer()
            assert status == 200 and b"connection: close" in head and body
            assert wire.closes()


def test_who_goes_on_only_when_told_gets_one_whole_answer(cloud: SimCloud) -> None:
    with Wire(cloud) as wire:
        wire.send(post(b"", b"Content-Length: %d" % len(LOGIN), b"Expect: 100-continue"))
        assert wire.answer()[0] == 100
        wire.send(LOGIN)
        assert wire.answer()[0] == 401 and wire.segments() == 2
