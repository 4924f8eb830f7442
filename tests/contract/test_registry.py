"""Container images by the tools that people have: podman and skopeo push and pull, and servers start from what came.

All of it against real engines; a pushed image is an image of the cloud with no step between.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import RealCloud
from tests.programs import PATIENCE_S, clean

pytestmark = [pytest.mark.contract, pytest.mark.dataplane]

CONTAINERS_CONF = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""


class Tools:
    """podman and skopeo as a user has them: a store and a login of their own, on no other path of this machine."""

    def __init__(self, cloud: RealCloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.registry = cloud.listen
        folder.joinpath("containers.conf").write_text(CONTAINERS_CONF)
        self._environment = clean() | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
        }

    def tried(self, *words: str, told: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=self._environment, input=told, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )

    def ran(self, *words: str, told: str = "") -> str:
        made = self.tried(*words, told=told)
        assert made.returncode == 0, f"{' '.join(words)}: {made.stderr}"
        return made.stdout

    def podman(self, *words: str, told: str = "") -> str:
        store = ("--root", str(self.folder / "store"), "--runroot", str(self.folder / "run"))
        return self.ran("podman", *store, *words, told=told)

    def login(self, user: str, password: str) -> None:
        self.podman("login", "--tls-verify=false", "--username", user, "--password-stdin", self.registry, told=password)


@pytest.fixture(scope="module")
def tools(cloud: RealCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    tools = Tools(cloud, tmp_path_factory.mktemp("tools"))
    tools.login(cloud.auth["username"], cloud.auth["password"])
    yield tools
    for image in cloud.openstack("image", "list"):
        if image["Name"].startswith("web"):
            cloud.openstack("image", "delete", image["ID"], table=True)


@pytest.fixture(scope="module")
def pushed(tools: Tools) -> str:
    """The reference of an image that podman has pushed."""
    reference = f"{tools.registry}/admin/web:1"
    loaded = tools.podman("pull", "--quiet", f"oci-archive:{os.environ['TRIVET_TEST_CONTAINER']}").strip()
    tools.podman("push", "--tls-verify=false", loaded, f"docker://{reference}")
    return reference


def test_what_podman_pushed_is_an_image_and_a_server_starts_from_it(
    cloud: RealCloud, tools: Tools, pushed: str
) -> None:
    image = cloud.openstack("image", "show", "web:1")
    assert (image["status"], image["disk_format"], image["visibility"]) == ("active", "oci", "private")
    cloud.openstack("network", "create", "registry")
    cloud.openstack("subnet", "create", "--network", "registry", "--subnet-range", "10.7.0.0/24", "registry")
    try:
        cloud.openstack(
            "server", "create", "--image", "web:1", "--flavor", "t.small", "--network", "registry", "from-registry"
        )
        assert cloud.wait_for("from-registry", "ACTIVE")["image"].startswith("web:1")
    finally:
        cloud.openstack("server", "delete", "--wait", "from-registry", table=True)
        cloud.openstack("network", "delete", "registry", table=True)


def test_podman_pulls_what_it_pushed(tools: Tools, pushed: str) -> None:
    tools.podman("rmi", "--all", "--force")
    tools.podman("pull", "--quiet", "--tls-verify=false", f"docker://{pushed}")
    (found,) = json.loads(tools.podman("image", "inspect", pushed))
    assert pushed in found["RepoTags"]


def test_skopeo_copies_between_repositories_without_sending_what_is_there(tools: Tools, pushed: str) -> None:
    other = f"docker://{tools.registry}/admin/web-copy:2"
    tools.ran("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{pushed}", other)
    told = json.loads(tools.ran("skopeo", "inspect", "--tls-verify=false", other))
    assert told["RepoTags"] == ["2"]
    tools.ran("skopeo", "delete", "--tls-verify=false", other)
    assert tools.tried("skopeo", "inspect", "--tls-verify=false", other).returncode != 0
    assert "web-copy:2" not in {image["Name"] for image in tools.cloud.openstack("image", "list")}


def test_a_program_logs_in_with_an_application_credential(cloud: RealCloud, tools: Tools, pushed: str) -> None:
    told = cloud.openstack("application", "credential", "create", "ci")
    made = {name.lower(): value for name, value in told.items()}
    creds = f"{made['id']}:{made['secret']}"
    told = tools.ran("skopeo", "inspect", "--tls-verify=false", "--creds", creds, f"docker://{pushed}")
    assert json.loads(told)["Architecture"] == "amd64"
    wrong = tools.tried("skopeo", "inspect", "--tls-verify=false", "--creds", creds + "x", f"docker://{pushed}")
    assert wrong.returncode != 0
    token = cloud.openstack("token", "issue")["id"]
    tools.ran("skopeo", "inspect", "--tls-verify=false", "--creds", f"token:{token}", f"docker://{pushed}")
    cloud.openstack("application", "credential", "delete", "ci", table=True)


def test_what_is_deleted_as_an_image_can_no_longer_be_pulled(cloud: RealCloud, tools: Tools, pushed: str) -> None:
    tools.ran(
        "skopeo", "copy", "--dest-tls-verify=false", "--src-tls-verify=false", f"docker://{pushed}",
        f"docker://{tools.registry}/admin/web-gone:1",
    )  # fmt: skip
    cloud.openstack("image", "delete", "web-gone:1", table=True)
    gone = tools.tried("skopeo", "inspect", "--tls-verify=false", f"docker://{tools.registry}/admin/web-gone:1")
    assert (gone.returncode != 0 and "manifest unknown" in gone.stderr) or "name unknown" in gone.stderr
