"""A cloud on this machine that keeps one CPU for servers alone: a VM and a container that have it, one after the other,
by the stock client; looked at from outside, where the kernel says on which CPUs each of their threads may run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import RealCloud
from tests.drivers.leftovers import FOLDER, clear_leftovers
from tests.programs import until

pytestmark = [pytest.mark.contract, pytest.mark.dataplane]
CPUS = sorted(os.sched_getaffinity(0))
OWN, SHARED = CPUS[-1], CPUS[0]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCloud]:
    images = {name: os.environ.get(name, "") for name in ("TRIVET_TEST_GUEST", "TRIVET_TEST_CONTAINER")}
    absent = [name for name, path in images.items() if not Path(path).is_file()]
    if absent or os.geteuid() != 0 or len(CPUS) < 2:
        why = f"needs root, two CPUs and {', '.join(absent) or 'nothing else'} (make images)"
        pytest.skip(why)
    clear_leftovers()
    folder = tmp_path_factory.mktemp("cloud") / FOLDER
    folder.mkdir()
    (folder / "trivet.toml").write_text(f'cpu_dedicated_set = "{OWN}"\ncpu_shared_set = "{SHARED}"\n')
    cloud = RealCloud(folder)
    guest, container = images["TRIVET_TEST_GUEST"], images["TRIVET_TEST_CONTAINER"]
    try:
        cloud.start(*_config(cloud))
        image = ("image", "create", "--public", "--file")
        cloud.openstack(*image, guest, "--disk-format", "qcow2", "guest")
        cloud.openstack(*image, container, "--container-format", "docker", "--disk-format", "raw", "container")
        flavor = ("flavor", "create", "--vcpus", "1", "--ram", "128", "--disk", "1")
        cloud.openstack(*flavor, "--property", "hw:cpu_policy=dedicated", "pinned")
        cloud.openstack(*flavor, "plain")
        cloud.openstack("network", "create", "inside")
        cloud.openstack("subnet", "create", "--network", "inside", "--subnet-range", "10.6.0.0/24", "inside")
        yield cloud
    finally:
        assert cloud.stop() == 0


def _config(cloud: RealCloud) -> tuple[str, str]:
    return "--config", str(cloud.data / "trivet.toml")


def _create(cloud: RealCloud, name: str, image: str, flavor: str) -> str:
    words = ("--image", image, "--flavor", flavor, "--network", "inside")
    return str(cloud.openstack("server", "create", *words, name)["id"])


def _delete(cloud: RealCloud, *names: str) -> None:
    cloud.openstack("server", "delete", "--wait", *names, table=True)


def _threads(cloud: RealCloud, id: str) -> set[str]:
    """Where the threads of a server's QEMU may run."""
    pid = (cloud.data / "qemu" / id / "pid").read_text().strip()
    return {_allowed(path) for path in Path(f"/proc/{pid}/task").iterdir()}


def _allowed(task: Path) -> str:
    lines = (task / "status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Cpus_allowed_list"))


def _first_process(cloud: RealCloud, id: str) -> Path:
    conmon = int((cloud.data / "podman" / "machines" / id / "conmon.pid").read_text())
    (child,) = Path(f"/proc/{conmon}/task/{conmon}/children").read_text().split()
    return Path("/proc") / child


def test_a_pinned_vm_has_the_cpu_for_itself_until_it_goes(cloud: RealCloud) -> None:
    own, plain = _create(cloud, "own", "guest", "pinned"), _create(cloud, "plain", "guest", "plain")
    for name in ("own", "plain"):
        cloud.wait_for(name, "ACTIVE")
    assert _threads(cloud, own) == {str(OWN)}
    assert _threads(cloud, plain) == {str(SHARED)}
    _create(cloud, "second", "guest", "pinned")
    refused = until("it found no host", lambda: _error(cloud, "second"))
    assert "hw:cpu_policy=dedicated" in refused
    cloud.stop()
    cloud.start(*_config(cloud))
    cloud.wait_for("own", "ACTIVE")
    until("it runs again", (cloud.data / "qemu" / own / "pid").exists)
    until("it runs on its CPU again", lambda: _threads(cloud, own) == {str(OWN)}, lambda: _threads(cloud, own))
    _delete(cloud, "second", "own")
    third = _create(cloud, "third", "guest", "pinned")
    cloud.wait_for("third", "ACTIVE")
    assert _threads(cloud, third) == {str(OWN)}
    _delete(cloud, "third", "plain")


def _error(cloud: RealCloud, name: str) -> str:
    found = cloud.openstack("server", "show", name)
    return str(found["fault"]) if found["status"] == "ERROR" else ""


def test_a_pinned_container_is_confined_to_the_cpu(cloud: RealCloud) -> None:
    if not _has_cpuset():
        pytest.skip("podman gets no cpuset controller here")
    own, plain = _create(cloud, "own", "container", "pinned"), _create(cloud, "plain", "container", "plain")
    for name in ("own", "plain"):
        cloud.wait_for(name, "ACTIVE")
    assert _allowed(_first_process(cloud, own)) == str(OWN)
    assert _allowed(_first_process(cloud, plain)) == str(SHARED)
    _delete(cloud, "own", "plain")


def _has_cpuset() -> bool:
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    if controllers.exists():
        return "cpuset" in controllers.read_text().split()
    return Path("/sys/fs/cgroup/cpuset/cpuset.cpus").exists()
