"""Clients that are slow, broken or malicious on the wire itself, against the real server on a real socket."""

import json
from collections.abc import Iterator

import pytest

from tests.fuzz.wire import GET, LOGIN, Wire, post
from trivet.api.kit import http
from trivet.testing import SimCloud


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimCloud]:
    with SimCloud() as cloud:
        yield cloud


@pytest.mark.parametrize(
    "said",
    [
        b"\r\n\r\n\r\n \r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\na\x00b: c\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(cloud: SimCloud, said: bytes) -> None:
    with Wire(cloud) as wire:
        wire.send(said)
        status, head, body = wire.answer()
        assert status == 400
        assert b"content-type: application/json" in head and json.loads(body)
        assert wire.closes()


@pytest.mark.parametrize(
    "target",
    [b"/\xff\xfe", b"/%ff%fe", b"/%00", b"/../../etc/passwd", b"http://other/identity", b"*", b"/" + b"a" * 60_000],
)
def test_odd_targets_are_told_in_json(cloud: SimCloud, target: bytes) -> None:
    with Wire(cloud) as wire:
        wire.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _, body = wire.answer()
        assert status in (200, 300, 400, 404)
        assert json.loads(body)


def test_headers_that_are_too_large_are_431(cloud: SimCloud) -> None:
    for head in (
        b"x: " + b"y" * 200_000,
        b"\r\n".join(b"x%d: y" % n for n in range(500)),
        b"\r\n".join(b"x%d: %s" % (n, b"y" * 1000) for n in range(150)),
    ):
        with Wire(cloud) as wire:
            wire.send_while_heard(b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            assert wire.answer()[0] == 431
            assert wire.closes()


def test_a_body_that_is_too_large_is_413(cloud: SimCloud) -> None:
    for lines, body in (
        ((b"Content-Length: 4000000",), b" " * 4_000_000),
        ((b"Transfer-Encoding: chunked",), b"10000\r\n" + b" " * 65536 + b"\r\n"),
    ):
        with Wire(cloud) as wire:
            wire.send(post(body, *lines))
            if b"chunked" in lines[0]:
                for _ in range(40):
                    wire.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
                wire.send(b"0\r\n\r\n")
            status, _, told = wire.answer()
            assert status == 413
            assert json.loads(told)["error"]["code"] == 413


def test_an_announced_body_that_is_too_large_is_not_waited_for(cloud: SimCloud) -> None:
    with Wire(cloud) as wire:
        wire.send(post(b"", b"Content-Length: 99999999999"))
        assert wire.answer()[0] == 413


def test_headers_that_do_not_come_are_given_up(cloud: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with Wire(cloud) as second:
        second.send(GET)
        assert second.answer()[0] == 200
        # Long enough for one that has just come to have said its half.
        monkeypatch.setattr(http, "_HEAD_WAIT_S", 2.0)
        with Wire(cloud) as silent, Wire(cloud) as slow:
            slow.send(b"GET / HTTP/1.1\r\nHost: x\r\nx-slow: ")
            second.send(b"GET / HTTP/1.1\r\n")
            assert slow.answer()[0] == 408 and slow.closes()
            assert second.answer()[0] == 408 and second.closes()
            assert silent.closes()


def test_a_body_that_does_not_come_is_given_up(cloud: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from trivet.api.kit import app  # noqa: PLC0415 - only here its patience is shortened

    monkeypatch.setattr(app, "_BODY_WAIT_S", 0.3)
    with Wire(cloud) as wire:
        wire.send(post(b'{"auth"', b"Content-Length: 100"))
        status, _, told = wire.answer()
        assert status == 408
        assert json.loads(told)["error"]["code"] == 408


def test_a_client_that_leaves_in_the_middle_harms_nobody(cloud: SimCloud) -> None:
    for part in (b"GET / HT", GET[:-2], post(b'{"auth"', b"Content-Length: 100"), GET):
        with Wire(cloud) as wire:
            wire.send(part)
    with Wire(cloud) as wire:
        wire.send(GET)
        assert wire.answer()[0] == 200


def test_idle_connections_stand_in_nobodys_way(cloud: SimCloud) -> None:
    idle = [Wire(cloud) for _ in range(200)]
    try:
        for wire in idle[::2]:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nx-slow: ")
        with Wire(cloud) as wire:
            for _ in range(10):
                wire.send(GET)
                assert wire.answer()[0] == 200
    finally:
        for wire in idle:
            wire.__exit__()


def test_requests_in_one_piece_are_answered_in_order(cloud: SimCloud) -> None:
    with Wire(cloud) as wire:
        wire.send(
            GET + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + post(LOGIN, b"Content-Length: %d" % len(LOGIN)) + GET
        )
        assert [wire.answer()[0] for _ in range(4)] == [200, 404, 401, 200]


def test_http_1_0_is_answered_and_closed(cloud: SimCloud) -> None:
    with Wire(cloud) as wire:
        wire.send(b"GET /identity/v3 HTTP/1.0\r\n\r\n")
        status, _, body = wire.answer()
        assert status == 200 and json.loads(body)["version"]
        assert wire.closes()


def test_a_body_may_come_in_chunks_with_trailers(cloud: SimCloud) -> None:
    with Wire(cloud) as wire:
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in LOGIN)
        wire.send(post(chunks + b"0\r\nx-sum: 1\r\n\r\n", b"Transfer-Encoding: chunked"))
        status, _, body = wire.answer()
        assert status == 401 and json.loads(body)["error"]["code"] == 401, "read, and found to prove nothing"
        wire.send(GET)
        assert wire.answer()[0] == 200


def test_who_asks_first_is_told_to_go_on(cloud: SimCloud) -> None:
    with Wire(cloud) as wire:
        wire.send(post(b"", b"Content-Length: %d" % len(LOGIN), b"Expect: 100-continue"))
        assert wire.answer()[0] == 100
        wire.send(LOGIN)
        assert wire.answer()[0] == 401


def test_a_head_has_no_body(cloud: SimCloud) -> None:
    with Wire(cloud) as wire:
        wire.send(b"HEAD /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [wire.answer(bodyless=True)[0], wire.answer()[0]] == [200, 404]
