"""Containers on CPUs and in memory of their own, by the real podman: looked at where the kernel says where they may
run, and on what the container itself finds."""

import os
from pathlib import Path

import pytest
from tests.drivers.podman_containers import (
    a_container,
    inner_process,
    log_has,
    look,
    machines,
    need_engine,
    running_shell,
    started,
)

from trivet.drivers.contracts.hardware import SMALL_KIB
from trivet.drivers.contracts.topology import GuestNode, Topology
from trivet.drivers.podman.machines import PodmanMachines

pytestmark = pytest.mark.dataplane
__all__ = ["machines"]
CPUS = sorted(os.sched_getaffinity(0))
OWN, OTHER = CPUS[-1], CPUS[0]


@pytest.fixture(autouse=True)
def controller_is_here() -> None:
    need_engine()
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    there = (
        "cpuset" in controllers.read_text().split()
        if controllers.exists()
        else Path("/sys/fs/cgroup/cpuset/cpuset.cpus").exists()
    )
    if not there or len(CPUS) < 2:
        pytest.skip("needs two CPUs, and the cpuset controller for podman")


def own(cpu: int, name: str = "own") -> Topology:
    return Topology(name, 1, 1, 1, (GuestNode((0,), 64, 0, SMALL_KIB),), {0: cpu}, emulator=(cpu,))


def allowed(folder: Path, id: str, what: str = "Cpus_allowed_list") -> str:
    _, process = inner_process(folder, id)
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(what))


async def test_it_runs_on_the_cpu_and_in_the_memory_that_are_its_own(machines: PodmanMachines, tmp_path: Path) -> None:
    spec = running_shell("grep Cpus_allowed_list /proc/self/status; sleep 1000", topology=own(OWN))
    id = await started(machines, spec)
    await log_has(machines, id, f"Cpus_allowed_list:\t{OWN}\n")
    assert allowed(tmp_path / "podman", id) == str(OWN)
    assert allowed(tmp_path / "podman", id, "Mems_allowed_list") == "0"


async def test_a_resize_moves_it_and_one_without_any_of_its_own_runs_where_all_do(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    sharing = PodmanMachines(tmp_path / "podman", frozenset((OTHER,)))
    id = await started(sharing, a_container(command=("sleep", "1000")))
    assert allowed(tmp_path / "podman", id) == str(OTHER)
    await sharing.stop(id, 0)
    await sharing.resize(id, 1, 64, 0, topology=own(OWN))
    assert (await look(sharing, id)).marks["shape"] == "1/64/0/inside=own"
    await sharing.start(id, {})
    assert allowed(tmp_path / "podman", id) == str(OWN)
