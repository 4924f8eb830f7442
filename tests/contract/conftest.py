"""A cloud with real engines, brought up once for all contract tests, and the stock client pointed at it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent


class RealCloud:
    """`trivet up` in a process of its own, as a user starts it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.listen = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{self.listen}"
        self.process: subprocess.Popen[bytes]

    def up(self, *flags: str) -> None:
        said = self.data / "out"
        said.write_text("")
        words = [str(BIN / "trivet"), "up", "--data", str(self.data), "--listen", self.listen, *flags]
        with said.open("a") as out, (self.data / "trivet.log").open("a") as log:
            self.process = subprocess.Popen(words, stdout=out, stderr=log)
        while "ready" not in said.read_text():
            assert self.process.poll() is None, (self.data / "trivet.log").read_text()[-4000:]
            time.sleep(0.1)

    def down(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return clean | {"OS_CLIENT_CONFIG_FILE": str(self.data / "clouds.yaml"), "OS_CLOUD": "trivet"}

    @property
    def path(self) -> str:
        """Where the stock client is."""
        return f"{BIN}:{os.environ['PATH']}"

    @property
    def auth(self) -> dict[str, str]:
        found: dict[str, Any] = json.loads((self.data / "clouds.yaml").read_text().partition("\n")[2])
        auth: dict[str, str] = found["clouds"]["trivet"]["auth"]
        return auth

    def openstack(self, *words: str, table: bool = False) -> Any:
        """The stock client, unchanged; JSON unless the command prints none."""
        asks = [] if table else ["-f", "json"]
        made = subprocess.run(
            [str(BIN / "openstack"), *words, *asks], env=self.environment, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, f"openstack {' '.join(words)}: {made.stderr}"
        return json.loads(made.stdout) if not table and made.stdout.strip() else made.stdout

    def wait_for(self, server: str, status: str, seconds: float = 120) -> Any:
        end = time.monotonic() + seconds
        while True:
            found = self.openstack("server", "show", server)
            if found["status"] == status:
                return found
            assert found["status"] != "ERROR" and time.monotonic() < end, found
            time.sleep(0.5)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCloud]:
    images = {name: os.environ.get(name, "") for name in ("TRIVET_TEST_GUEST", "TRIVET_TEST_CONTAINER")}
    absent = [name for name, path in images.items() if not Path(path).is_file()]
    if absent or os.geteuid() != 0:
        why = f"needs root and {', '.join(absent) or 'nothing else'} (make images)"
        pytest.skip(why)
    cloud = RealCloud(tmp_path_factory.mktemp("cloud"))
    cloud.up()
    guest, container = images["TRIVET_TEST_GUEST"], images["TRIVET_TEST_CONTAINER"]
    try:
        cloud.openstack("image", "create", "--public", "--disk-format", "qcow2", "--file", guest, "guest")
        cloud.openstack(
            "image",
            "create",
            "--public",
            "--container-format",
            "docker",
            "--disk-format",
            "raw",
            "--file",
            container,
            "container",
        )
        cloud.openstack("flavor", "create", "--vcpus", "1", "--ram", "128", "--disk", "1", "t.small")
        yield cloud
    finally:
        assert cloud.down() == 0
