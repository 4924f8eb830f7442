"""An agent in a process of its own, with nothing but the API's address and the host's credential."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.processes.cluster import PASSWORD, Client
from tests.processes.test_equal_processes import create, image_and_flavor, upload
from tests.programs import BIN, PATIENCE_S, Program, clean, until

CAPACITY = {"vcpus": 64, "memory_mib": 262_144, "disk_gib": 4_000}
"""Far more than a simulated host says that it has."""


class Cloud:
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.api = self._program("api", "api", "--listen", f"127.0.0.1:{port}").start()
        self.client = Client(self.url)
        self.client.login()
        self.image, self.flavor = image_and_flavor(self.client)
        upload(self.client, self.image)

    def _program(self, name: str, *words: str) -> Program:
        """With a data directory of its own; stopped with the test."""
        data = self.folder / name
        data.mkdir(exist_ok=True)
        environment = clean() | {"TRIVET_ADMIN_PASSWORD": PASSWORD}
        made = Program(data / "out", data / "log", *words, "--data", str(data), environment=environment)
        self._stack.callback(made.stop)
        return made

    def credential(self, host: str) -> Any:
        status, made, _ = self.client.call("POST", "/v1/agent/credentials", {"host": host, "capacity": CAPACITY})
        assert status == 201, made
        return made

    def agent(self, name: str, secret: str) -> Program:
        file = self.folder / f"{name}.secret"
        file.write_text(secret + "\n")
        return self._program(name, "agent", "--api", self.url, "--secret-file", str(file), "--sim")

    def server(self, id: str) -> Any:
        status, body, _ = self.client.call("GET", f"/compute/v2.1/servers/{id}")
        return body["server"] if status == 200 else None

    def until(self, id: str, status: str) -> None:
        until(f"{id} is {status}", lambda: (self.server(id) or {}).get("status") == status, lambda: self.server(id))

    def act(self, id: str, action: str) -> None:
        status, body, _ = self.client.call("POST", f"/compute/v2.1/servers/{id}/action", {action: None})
        assert status == 202, body

    def create(self, name: str) -> str:
        return create(self.client, self.image, self.flavor, name)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with ExitStack() as stack:
        yield Cloud(tmp_path, stack)


@pytest.fixture
def agent(cloud: Cloud) -> Program:
    return cloud.agent("far1", cloud.credential("far1")["secret"]).start()


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
    until("the snapshot is there", lambda: cloud.client.call("GET", image)[1]["status"] == "active")
    assert cloud.client.call("GET", image)[1]["size"] == 65536
    cloud.client.call("DELETE", f"/compute/v2.1/servers/{id}")
    until("it is gone", lambda: cloud.server(id) is None)
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
    until("the agent is told", lambda: "host credential is not known" in first.log())
    assert cloud.server(id)["status"] == "ACTIVE"
    first.stop()
    with pytest.raises(AssertionError, match="host credential is not known"):
        first.start()
    cloud.agent("far1", cloud.credential("far1")["secret"]).start()
    cloud.until(id, "SHUTOFF")


def test_two_hosts_have_their_own_servers_and_a_second_agent_of_one_host_waits(cloud: Cloud, agent: Program) -> None:
    other = cloud.agent("far2", cloud.credential("far2")["secret"]).start()
    ids = [cloud.create(f"s{number}") for number in range(6)]
    for id in ids:
        cloud.until(id, "ACTIVE")
    hosts = {cloud.server(id)["OS-EXT-SRV-ATTR:host"] for id in ids}
    assert hosts <= {"far1", "far2"}
    # With the first one's host, but a directory of its own: it is no continuation of the first one.
    rival = cloud.agent("rival", cloud.credential("far1")["secret"])
    rival.begin()
    until("the rival waits", lambda: "Another agent looks after host far1" in rival.log(), rival.log)
    assert "ready" not in rival.said()
    rival.kill()
    # In the same directory it does not even begin.
    with pytest.raises(AssertionError, match="already runs"):
        cloud.agent("far1", cloud.credential("far1")["secret"]).start()
    assert agent.process.poll() is None
    assert other.stop() == 0


def test_a_host_with_real_engines_has_a_place_between_the_hosts(tmp_path: Path) -> None:
    words = ["agent", "--api", "http://127.0.0.1:1", "--secret-file", "none", "--data", str(tmp_path)]
    said = subprocess.run(
        [str(BIN / "trivet"), *words], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert said.returncode == 1
    assert "--underlay" in said.stderr
    assert "--sim" in said.stderr
