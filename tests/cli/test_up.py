"""`trivet up` and its data directory, its port and its workers, on days when one of them is taken."""

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.command import Up, trivet
from tests.ports import free_port
from tests.programs import PATIENCE_S, until

Start = Callable[..., Up]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`trivet up --sim` with further words; whatever still runs is stopped at the end."""
    made = []

    def up(*words: str) -> Up:
        made.append(Up(tmp_path, "up", "--sim", *words))
        return made[-1]

    yield up
    for one in made:
        one.stop()


def listen() -> str:
    return f"127.0.0.1:{free_port()}"


def answers(address: str) -> bool:
    with urllib.request.urlopen(f"http://{address}/identity/v3", timeout=PATIENCE_S) as reply:
        return bool(reply.status == 200)


def test_status_tells_hosts_room_and_servers_by_the_clouds_own_api(start: Start, tmp_path: Path) -> None:
    address = listen()
    up = start("--data", "cloud", "--listen", address, "--sim-hosts", "2").ready()
    told = json.loads(trivet(tmp_path, "status", "--data", "cloud", "--json").stdout)
    assert (told["url"], told["pid"]) == (f"http://{address}", up.process.pid)
    assert [(host["name"], host["up"], host["vcpus"], host["memory_mib_used"]) for host in told["hosts"]] == [
        ("sim-00001", True, 64, 0),
        ("sim-00002", True, 64, 0),
    ]
    assert (told["servers"], told["troubles"], told["database"]["kind"]) == ({}, [], "sqlite")
    assert "hosts     2 of 2 up" in trivet(tmp_path, "status", "--data", "cloud").stdout
    assert up.stop() == 0
    silent = trivet(tmp_path, "status", "--data", "cloud")
    assert silent.returncode == 1 and "Is it running?" in silent.stderr


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 201 Created\r\ncontent-length: 370\r\n\r\n", b"220 mail\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>"],
    ids=["nothing", "killed after the head", "no web server", "no cloud"],
)
def test_status_of_what_answers_otherwise_is_a_sentence(said: bytes, start: Start, tmp_path: Path) -> None:
    address = listen()
    assert start("--data", "cloud", "--listen", address).ready().stop() == 0

    def answer(listening: socket.socket) -> None:
        with listening.accept()[0] as client:
            client.recv(65536)
            client.sendall(said)

    host, _, port = address.rpartition(":")
    with socket.create_server((host, int(port))) as listening, ThreadPoolExecutor(1) as other:
        listening.settimeout(PATIENCE_S)
        answering = other.submit(answer, listening)
        told = trivet(tmp_path, "status", "--data", "cloud")
        answering.result()
    assert told.returncode == 1 and told.stderr.startswith(f"trivet: http://{address} is silent or no cloud (")
    assert "Traceback" not in told.stderr


def test_a_password_that_changed_is_not_called_silence(start: Start, tmp_path: Path) -> None:
    start("--data", "cloud", "--listen", listen()).ready()
    file = tmp_path / "cloud" / "clouds.yaml"
    password = json.loads(file.read_text().partition("\n")[2])["clouds"]["trivet"]["auth"]["password"]
    file.write_text(file.read_text().replace(password, "another"))
    told = trivet(tmp_path, "status", "--data", "cloud")
    assert (told.returncode, told.stderr) == (1, "trivet: The cloud refuses the password in cloud/clouds.yaml.\n")


@pytest.mark.parametrize("many", [(), ("--workers", "2")], ids=["one", "workers"])
def test_a_port_that_is_taken_is_refused_and_the_password_is_not_lost(
    many: tuple[str, ...], start: Start, tmp_path: Path
) -> None:
    address = listen()
    start("--data", "first", "--listen", address).ready()
    refused = trivet(tmp_path, "up", "--sim", "--data", "second", "--listen", address, *many)
    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"trivet: Cannot listen on {address} (Address already in use); choose another with --listen.\n"
    )
    start("--data", "second", "--listen", listen(), *many).ready()
    assert "hosts     4 of 4 up" in trivet(tmp_path, "status", "--data", "second").stdout


def test_a_first_start_that_fails_after_admin_was_made_does_not_lose_the_password(start: Start, tmp_path: Path) -> None:
    wrong = trivet(tmp_path, "up", "--data", "cloud", "--listen", listen(), PATH=str(tmp_path))
    assert wrong.returncode == 1 and "Real engines cannot run on this machine" in wrong.stderr
    up = start("--data", "cloud", "--listen", listen()).ready()
    password = json.loads((tmp_path / "cloud" / "clouds.yaml").read_text().partition("\n")[2])
    assert password["clouds"]["trivet"]["auth"]["password"] not in up.said(), "it stands in the file, and nowhere else"
    assert "hosts     4 of 4 up" in trivet(tmp_path, "status", "--data", "cloud").stdout
    assert not (tmp_path / "cloud" / "first-password").exists()


def test_who_joins_a_cloud_of_others_claims_to_know_no_password(start: Start, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'shared.db'}"
    start("--data", "first", "--listen", listen(), "--database", database).ready()
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "secret").write_bytes((tmp_path / "first" / "secret").read_bytes())
    joined = start("--data", "second", "--listen", listen(), "--database", database).ready()
    assert "password" not in joined.said() and "clouds.yaml" not in joined.said()
    assert not (tmp_path / "second" / "clouds.yaml").exists()


def test_workers_of_two_clouds_never_share_a_port(start: Start, tmp_path: Path) -> None:
    address = listen()
    start("--data", "first", "--listen", address, "--workers", "2").ready()
    refused = trivet(tmp_path, "up", "--sim", "--data", "second", "--listen", address, "--workers", "2")
    assert refused.returncode == 1 and "Address already in use" in refused.stderr


def test_a_data_directory_is_one_process_at_a_time(start: Start, tmp_path: Path) -> None:
    address = listen()
    up = start("--data", "cloud", "--listen", address).ready()
    before = (tmp_path / "cloud" / "clouds.yaml").read_text()
    refused = trivet(tmp_path, "up", "--sim", "--data", "cloud", "--listen", listen())
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"trivet: A trivet (process {up.process.pid}) runs in cloud already")
    assert (tmp_path / "cloud" / "clouds.yaml").read_text() == before
    assert (tmp_path / "cloud" / "trivet.pid").read_text() == f"{up.process.pid}\nhttp://{address}\n"
    assert answers(address)


def test_a_process_that_was_killed_leaves_its_directory_free(start: Start) -> None:
    address = listen()
    start("--data", "cloud", "--listen", address).ready().stop(signal.SIGKILL)
    start("--data", "cloud", "--listen", address).ready()
    assert answers(address)


def test_workers_say_ready_once_and_one_that_died_comes_back(start: Start, tmp_path: Path) -> None:
    address = listen()
    up = start("--data", "cloud", "--listen", address, "--workers", "3").ready()
    assert up.said().count("ready:") == 1 and "by 3 workers" in up.said()
    first = workers_of(up)
    assert len(first) == 3
    os.kill(first[0], signal.SIGKILL)
    until("three again", lambda: len(workers_of(up)) == 3 and first[0] not in workers_of(up), up.said)
    assert answers(address)
    assert up.stop(signal.SIGINT) == 0
    assert not any(alive(pid) for pid in first)
    assert not (tmp_path / "cloud" / "trivet.pid").exists()


def test_workers_that_cannot_start_say_why_once(start: Start, tmp_path: Path) -> None:
    database = "postgresql://nobody@127.0.0.1:1/none"
    made = trivet(
        tmp_path, "up", "--sim", "--data", "c", "--listen", listen(), "--workers", "2", "--database", database
    )
    assert made.returncode == 1
    assert made.stderr.count("The database cannot be reached") == 1


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.5, 0.7])
def test_ctrl_c_during_the_first_start_never_leaves_a_cloud_without_its_password(
    seconds: float, start: Start, tmp_path: Path
) -> None:
    up = start("--data", "cloud", "--listen", listen())
    time.sleep(seconds)
    up.stop(signal.SIGINT)
    start("--data", "cloud", "--listen", listen()).ready()
    assert "hosts     4 of 4 up" in trivet(tmp_path, "status", "--data", "cloud").stdout


def workers_of(up: Up) -> list[int]:
    path = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
