"""Whatever dies, a step, the driver, a container or the host: who comes next finishes, and nothing is lost."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.drivers.podman_containers import (
    PATIENCE_S,
    a_container,
    inner_process,
    log_has,
    look,
    machines,
    power_becomes,
    running_shell,
    started,
    told,
)

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane


@pytest.fixture
def breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Makes the nth run of podman from now on fail, before it did its work or just after."""
    real = shutil.which("podman")
    fake = tmp_path / "bin" / "podman"
    fake.parent.mkdir()

    def arrange(nth: int, when: str) -> None:
        count = tmp_path / "bin" / "count"
        count.write_text("0")
        fake.write_text(
            "#!/bin/sh\n"
            f"n=$(($(cat {count}) + 1)); echo $n > {count}\n"
            f"[ $n != {nth} ] || [ {when} = after ] || exit 1\n"
            f'{real} "$@" || exit\n'
            f"[ $n != {nth} ]\n"
        )
        fake.chmod(0o755)

    arrange(0, "never")
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    return arrange


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, 7))
async def test_a_create_broken_at_any_step_is_finished_by_the_next(
    machines: PodmanMachines, breaking: Callable[[int, str], None], step: int, when: str
) -> None:
    spec = a_container(files={"/root/file": b"content"})
    breaking(step, when)
    with contextlib.suppress(DriverError):
        await machines.create(spec)
    breaking(0, "never")
    assert all(seen.power == "stopped" for seen in (await machines.observe()).values())
    await log_has(machines, await started(machines, spec), "CONTAINER-READY")


@pytest.mark.parametrize("seconds", [0.05, 0.2])
async def test_a_create_that_is_cancelled_is_finished_by_the_next(machines: PodmanMachines, seconds: float) -> None:
    spec = a_container()
    attempt = asyncio.ensure_future(machines.create(spec))
    await asyncio.wait({attempt}, timeout=seconds)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    await log_has(machines, await started(machines, spec), "CONTAINER-READY")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, 6))
async def test_a_resize_broken_at_any_step_loses_nothing(
    machines: PodmanMachines, breaking: Callable[[int, str], None], step: int, when: str
) -> None:
    script = "ls /root; cat /sys/fs/cgroup/memory*/memory.limit_in_bytes; touch /root/been-here; echo done"
    id = await started(machines, running_shell(script, memory_mib=96))
    await log_has(machines, id, "done")
    await machines.stop(id, 1)
    breaking(step, when)
    with contextlib.suppress(DriverError):
        await machines.resize(id, vcpus=1, memory_mib=64, disk_gib=0)
    breaking(0, "never")
    seen = await machines.observe()
    assert list(seen) == [id]
    assert (seen[id].power, told(seen[id])) == ("stopped", {"boot": "1", "build": "7"})
    await machines.resize(id, vcpus=1, memory_mib=64, disk_gib=0)
    await machines.start(id, {"boot": "2"})
    assert "been-here" in await log_has(machines, id, str(64 << 20))


async def test_another_process_takes_over_after_a_kill(machines: PodmanMachines, tmp_path: Path) -> None:
    spec = running_shell("echo up; trap 'exit 5' USR1; while :; do sleep 0.1; done")
    program = (
        "import asyncio, sys, msgspec, pathlib, time\n"
        "from trivet.drivers.contracts.machine import MachineSpec\n"
        "from trivet.drivers.podman.machines import PodmanMachines\n"
        "async def main():\n"
        "    driver = PodmanMachines(pathlib.Path(sys.argv[1]))\n"
        "    spec = msgspec.json.decode(sys.argv[2], type=MachineSpec)\n"
        "    await driver.create(spec)\n"
        "    await driver.start(spec.id, {'boot': '9'})\n"
        "    print('started', flush=True)\n"
        "    time.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    first = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        str(tmp_path / "podman"),
        msgspec.json.encode(spec).decode(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert first.stdout is not None
    assert await asyncio.wait_for(first.stdout.readline(), PATIENCE_S) == b"started\n"
    first.send_signal(signal.SIGKILL)
    await first.wait()
    seen = await look(machines, spec.id)
    assert (seen.power, told(seen)) == ("running", {"boot": "9"})
    await log_has(machines, spec.id, "up")
    hint = asyncio.ensure_future(anext(machines.watch()))
    await asyncio.sleep(0)
    await machines.stop(spec.id, 0)
    assert await asyncio.wait_for(hint, PATIENCE_S) == spec.id


def kill_from_outside(folder: Path, id: str) -> None:
    """The container and the conmon that watches it."""
    for pid in inner_process(folder, id):
        os.kill(pid, signal.SIGKILL)


async def test_a_container_lost_from_under_us_is_crashed_and_can_be_made_again(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    spec = a_container()
    id = await started(machines, spec)
    await log_has(machines, id, "CONTAINER-READY")
    kill_from_outside(tmp_path / "podman", id)
    await power_becomes(machines, id, "crashed")
    await machines.remove(id)
    await log_has(machines, await started(machines, spec), "CONTAINER-READY")


async def test_after_a_reboot_of_the_host_what_ran_is_lost_as_a_vm_is_and_starts_again(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    """A reboot as the driver sees it: no process, no mount, no runc state, and another boot id."""
    spec = running_shell("ls /root; touch /root/been-here; echo up; sleep 1000", marks={"boot": "6"})
    id = await started(machines, spec)
    await log_has(machines, id, "up")
    folder = tmp_path / "podman"
    kill_from_outside(folder, id)
    for state in Path("/run/runc").glob("*/state.json"):
        if str(tmp_path) in state.read_text():
            subprocess.run(["runc", "delete", "--force", state.parent.name], check=True)
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        if str(tmp_path) in line.split()[1]:
            subprocess.run(["umount", line.split()[1]], check=True)
    (folder / "boot_id").write_text("another")
    reborn = PodmanMachines(folder)
    seen = await look(reborn, id)
    assert (seen.power, seen.exit_code, told(seen)) == ("crashed", None, {"boot": "6"})
    await reborn.start(id, {"boot": "7"})
    assert "been-here" in await log_has(reborn, id, "been-here")
    await reborn.remove(id)
