"""A cloud with real engines, brought up once for all contract tests, and the stock client pointed at it.

It ends with the last of them: those of the engines themselves look at what is on this host before and after.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.leftovers import FOLDER, clear_leftovers
from tests.ports import free_port
from tests.programs import BIN, PATIENCE_S, Program, until


class RealCloud(Program):
    """`trivet up` in a process of its own, as a user starts it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.listen = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.listen}"
        words = ("up", "--data", str(data), "--listen", self.listen)
        super().__init__(data / "out", data / "trivet.log", *words, environment=os.environ)

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return clean | {"OS_CLIENT_CONFIG_FILE": str(self.data / "clouds.yaml"), "OS_CLOUD": "trivet"}

    @property
    def auth(self) -> dict[str, str]:
        found: dict[str, Any] = json.loads((self.data / "clouds.yaml").read_text().partition("\n")[2])
        auth: dict[str, str] = found["clouds"]["trivet"]["auth"]
        return auth

    def tried(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The stock client, unchanged."""
        return subprocess.run(
            [str(BIN / "openstack"), *words], env=self.environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=PATIENCE_S,
        )  # fmt: skip

    def openstack(self, *words: str, table: bool = False) -> Any:
        """What it prints: JSON unless the command prints none."""
        made = self.tried(*words, *(() if table else ("-f", "json")))
        assert made.returncode == 0, f"openstack {' '.join(words)}: {made.stderr}"
        return json.loads(made.stdout) if not table and made.stdout.strip() else made.stdout

    def wait_for(self, server: str, status: str) -> Any:
        def there() -> Any:
            found = self.openstack("server", "show", server)
            assert found["status"] != "ERROR", found
            return found if found["status"] == status else None

        return until(f"{server} is {status}", there, pause_s=0.5, patience_s=400)


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCloud]:
    images = {name: os.environ.get(name, "") for name in ("TRIVET_TEST_GUEST", "TRIVET_TEST_CONTAINER")}
    absent = [name for name, path in images.items() if not Path(path).is_file()]
    if absent or os.geteuid() != 0:
        why = f"needs root and {', '.join(absent) or 'nothing else'} (make images)"
        pytest.skip(why)
    clear_leftovers()
    folder = tmp_path_factory.mktemp("cloud") / FOLDER
    folder.mkdir()
    cloud = RealCloud(folder)
    guest, container = images["TRIVET_TEST_GUEST"], images["TRIVET_TEST_CONTAINER"]
    try:
        cloud.start()
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
        assert cloud.stop() == 0
