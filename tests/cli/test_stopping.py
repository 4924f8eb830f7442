"""SIGTERM while clients are in the middle of something: the process ends soon, well, and without a word too many."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.command import Up
from tests.ports import free_port
from tests.programs import PATIENCE_S, until
from trivet.api.kit import http
from trivet.serving import server as serving
from trivet.testing import SimCloud

HALVES = {
    "half a head": b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\nx-half: ",
    "a line and a half of one": b"POST /identity/v3/auth/tokens HT",
    "half a body": b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    "half of a chunk": b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    "half of the next request": b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\nGET /identity/v3 HT",
    "half a body behind another request": b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    "nothing": b"",
}


@pytest.fixture
def address() -> tuple[str, int]:
    return "127.0.0.1", free_port()


@pytest.fixture
def up(tmp_path: Path, address: tuple[str, int]) -> Iterator[Up]:
    made = Up(tmp_path, "up", "--sim", "--data", "cloud", "--listen", f"{address[0]}:{address[1]}").ready()
    yield made
    made.stop(signal.SIGKILL)


def settle(address: tuple[str, int]) -> None:
    """What was sent before this was read before this is answered."""
    with socket.create_connection(address, PATIENCE_S) as wire:
        wire.sendall(b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while wire.recv(65536):
            pass


def listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


def test_requests_that_are_half_sent_keep_nobody_and_are_no_failure(up: Up, address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        for half in HALVES.values():
            stack.enter_context(socket.create_connection(address, PATIENCE_S)).sendall(half)
        settle(address)
        said = up.said()
        assert up.stop() == 0
    assert [line for line in up.said().removeprefix(said).splitlines() if " INFO " not in line] == []


def test_a_request_that_arrives_while_it_stops_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where what is still to come may take the time that a busy machine takes."""
    monkeypatch.setattr(http, "_LAST_BODY_S", PATIENCE_S)
    monkeypatch.setattr(serving, "_LAST_ANSWERS_S", PATIENCE_S)
    body = json.dumps({"auth": {"identity": {"methods": ["password"]}}}).encode()
    with SimCloud() as cloud:
        host, _, port = cloud.settings.listen.partition(":")
        address = host, int(port)
        with socket.create_connection(address, PATIENCE_S) as wire:
            head = b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{"
            wire.sendall(head % len(body))
            settle(address)
            cloud._loop.call_soon_threadsafe(cloud._stop.set)
            until("no longer listening", lambda: not listens(address), pause_s=0.01)
            wire.sendall(body[1:])
            answer = b""
            while data := wire.recv(65536):
                answer += data
    assert answer.startswith(b"HTTP/1.1 401") and b"connection: close" in answer
