"""An agent in a process of its own, with nothing but the API's address and the host's credential."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.cluster import BIN, PASSWORD, READY_S, Client, free_port
from tests.processes.test_equal_processes import create, image_and_flavor, upload, wait_until


class Program:
    """`trivet ...`, with what it says in files."""

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir(exist_ok=True)
        self._said = folder / "out"
        self._log = folder / "log"
        self._words = words
        self.process: subprocess.Popen[bytes]

    def start(self, within_s: float = READY_S) -> "Program":
        self._said.write_text("")
        environment = os.environ | {"TRIVET_ADMIN_PASSWORD": PASSWORD}
        with self._said.open("a") as out, self._log.open("a") as log:
            self.process = subprocess.Popen(
                [str(BIN / "trivet"), *self._words], env=environment, stdout=out, stderr=log
            )
        end = time.monotonic() + within_s
        while not any(line.startswith("ready") for line in self._said.read_text().splitlines()):
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.05)
        return self

    def log(self) -> str:
        return self._log.read_text()[-4000:]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Cloud:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.api = Program(
            folder / "api", "api", "--data", str(folder / "api"), "--listen", f"127.0.0.1:{port}"
        ).start()
        self.client = Client(self.url)
        self.client.login()
        self.image, self.flavor = image_and_flavor(self.client)
        upload(self.client, self.image)

    def credential(self, host: str) -> Any:
        status, made, _ = self.client.call("POST", "/v1/agent/credentials", {"host": host})
        assert status == 201, made
        return made

    def agent(self, name: str, secret: str) -> Program:
        data = self.folder / name
        data.mkdir(exist_ok=True)
        (data / "secret").write_text(secret + "\n")
        words = ("--api", self.url, "--secret-file", str(data / "secret"), "--data", str(data), "--sim")
        return Program(data, "agent", *words)

    def server(self, id: str) -> Any:
        status, body, _ = self.client.call("GET", f"/compute/v2.1/servers/{id}")
        return body["server"] if status == 200 else None

    def until(self, id: str, status: str) -> None:
        wait_until(f"{id} is {status}", lambda: (self.server(id) or {}).get("status") == status)

    def act(self, id: str, action: str) -> None:
        status, body, _ = self.client.call("POST", f"/compute/v2.1/servers/{id}/action", {action: None})
        assert status == 202, body

    def create(self, name: str) -> str:
        return create(self.client, self.image, self.flavor, name)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    yield made
    made.api.stop()


@pytest.fixture
def agent(cloud: Cloud) -> Iterator[Program]:
    running = cloud.agent("far1", cloud.credential("far1")["secret"]).start()
    yield running
    running.stop()


def test_a_server_lives_its_life_on_a_host_that_has_no_database(cloud: Cloud, agent: Program) -> None:
    id = cloud.create("one")
    cloud.until(id, "ACTIVE")
    assert cloud.server(id)["OS-EXT-SRV-ATTR:host"] == "far1"
    cached = list((cloud.folder / "far1" / "images").iterdir())
    assert [path.read_bytes() for path in cached] == [b"\0" * 65536]
    cloud.act(id, "os-stop")
    cloud.until(id, "SHUTOFF")
    cloud.act(id, "os-start")
    cloud.until(id, "ACTIVE")
    status, output, _ = cloud.client.call(
        "POST", f"/compute/v2.1/servers/{id}/action", {"os-getConsoleOutput": {"length": 5}}
    )
    assert status == 200 and "Simulated boot 2" in output["output"]
    status, made, _ = cloud.client.call(
        "POST", f"/compute/v2.1/servers/{id}/action", {"createImage": {"name": "of one"}}
    )
    assert status == 202
    image = f"/image/v2/images/{made['image_id']}"
    wait_until("the snapshot is there", lambda: cloud.client.call("GET", image)[1]["status"] == "active")
    assert cloud.client.call("GET", image)[1]["size"] == 65536
    cloud.client.call("DELETE", f"/compute/v2.1/servers/{id}")
    wait_until("it is gone", lambda: cloud.server(id) is None)
    assert agent.stop() == 0, agent.log()


def test_an_agent_that_was_killed_comes_back_and_goes_on_at_once(cloud: Cloud, agent: Program) -> None:
    before = cloud.create("before")
    cloud.until(before, "ACTIVE")
    agent.kill()
    cloud.act(before, "os-stop")
    meanwhile = cloud.create("meanwhile")
    agent.start()
    cloud.until(meanwhile, "ACTIVE")
    cloud.until(before, "SHUTOFF")


def test_an_agent_waits_for_an_api_that_was_killed(cloud: Cloud, agent: Program) -> None:
    before = cloud.create("before")
    cloud.until(before, "ACTIVE")
    cloud.api.kill()
    time.sleep(1)
    cloud.api.start()
    cloud.act(before, "os-stop")
    cloud.until(before, "SHUTOFF")
    after = cloud.create("after")
    cloud.until(after, "ACTIVE")
    assert agent.process.poll() is None


def test_with_a_revoked_secret_nothing_moves_and_with_a_new_one_it_does(cloud: Cloud) -> None:
    credential = cloud.credential("far1")
    first = cloud.agent("far1", credential["secret"]).start()
    id = cloud.create("one")
    cloud.until(id, "ACTIVE")
    assert cloud.client.call("DELETE", f"/v1/agent/credentials/{credential['id']}")[0] == 204
    cloud.act(id, "os-stop")
    wait_until("the agent is told", lambda: "host credential is not known" in first.log())
    assert cloud.server(id)["status"] == "ACTIVE"
    first.stop()
    with pytest.raises(AssertionError, match="host credential is not known"):
        first.start()
    second = cloud.agent("far1", cloud.credential("far1")["secret"]).start()
    cloud.until(id, "SHUTOFF")
    second.stop()


def test_two_hosts_have_their_own_servers_and_a_second_agent_of_one_host_waits(cloud: Cloud, agent: Program) -> None:
    other = cloud.agent("far2", cloud.credential("far2")["secret"]).start()
    ids = [cloud.create(f"s{number}") for number in range(6)]
    for id in ids:
        cloud.until(id, "ACTIVE")
    hosts = {cloud.server(id)["OS-EXT-SRV-ATTR:host"] for id in ids}
    assert hosts <= {"far1", "far2"}
    # With the first one's host, but a directory of its own: it is no continuation of the first one.
    rival = cloud.agent("rival", cloud.credential("far1")["secret"])
    with pytest.raises(AssertionError, match="Another agent looks after host far1"):
        rival.start(within_s=5)
    rival.kill()
    # In the same directory it does not even begin.
    with pytest.raises(AssertionError, match="already runs"):
        cloud.agent("far1", cloud.credential("far1")["secret"]).start()
    assert agent.process.poll() is None
    assert other.stop() == 0


def test_real_engines_are_refused_with_what_works_today(tmp_path: Path) -> None:
    words = ["agent", "--api", "http://127.0.0.1:1", "--secret-file", "none", "--data", str(tmp_path)]
    said = subprocess.run([str(BIN / "trivet"), *words], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "trivet up" in said.stderr
