"""What the engine left in a broken state is told truthfully and healed by a hard reboot, by the real podman.

The class: podman's word and the kernel's disagree, because somebody died who should have brought them together.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.drivers.podman_containers import (
    PATIENCE_S,
    inner_process,
    log_has,
    look,
    machines,
    power_becomes,
    running_shell,
    started,
)

from trivet.drivers.podman.engine import Engine
from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane

SCRIPT = "ls /root; touch /root/been-here; echo up; while :; do sleep 0.2; done"


def _lives(pid: int) -> bool:
    """A process that waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def without_its_conmon(machines: PodmanMachines, folder: Path) -> tuple[str, int]:
    """Its id and its first process, which goes on."""
    id = await started(machines, running_shell(SCRIPT))
    await log_has(machines, id, "up")
    conmon, first = inner_process(folder, id)
    os.kill(conmon, signal.SIGKILL)
    await power_becomes(machines, id, "crashed")
    return id, first


async def test_one_that_lost_its_conmon_is_crashed_and_a_hard_reboot_heals_it(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    id, first = await without_its_conmon(machines, tmp_path / "podman")
    assert (await look(machines, id)).exit_code is None
    assert not await machines.stop(id, 0)
    assert not _lives(first)
    assert (await look(machines, id)).power == "stopped"
    await machines.start(id, {"boot": "2"})
    await log_has(machines, id, "been-here")
    assert (await look(machines, id)).power == "running"


async def test_the_loss_is_told_at_once(machines: PodmanMachines, tmp_path: Path) -> None:
    id = await started(machines, running_shell(SCRIPT))
    hint = asyncio.ensure_future(anext(machines.watch()))
    await log_has(machines, id, "up")
    os.kill(inner_process(tmp_path / "podman", id)[0], signal.SIGKILL)
    assert await asyncio.wait_for(hint, PATIENCE_S) == id


async def test_a_start_alone_heals_it_too(machines: PodmanMachines, tmp_path: Path) -> None:
    id, first = await without_its_conmon(machines, tmp_path / "podman")
    await machines.start(id, {"boot": "2"})
    assert not _lives(first)
    await log_has(machines, id, "been-here")


async def test_it_can_be_removed(machines: PodmanMachines, tmp_path: Path) -> None:
    id, first = await without_its_conmon(machines, tmp_path / "podman")
    await machines.remove(id)
    assert not _lives(first)
    assert await machines.observe() == {}


async def test_one_stopped_half_way_by_podman_is_healed(machines: PodmanMachines, tmp_path: Path) -> None:
    """It waits for a word that its conmon does not send any more, and says "stopping" for ever."""
    id, _ = await without_its_conmon(machines, tmp_path / "podman")
    # What an impatient operator would do on the host.
    stopping = asyncio.ensure_future(Engine(tmp_path / "podman").run("stop", "--time=1", f"trivet-{id}"))
    await asyncio.wait({stopping}, timeout=10)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    await machines.stop(id, 0)
    await machines.start(id, {"boot": "2"})
    assert (await look(machines, id)).power == "running"


async def test_ending_by_itself_is_never_taken_for_a_loss(machines: PodmanMachines) -> None:
    """The conmon of a container that ends leaves at the same moment."""
    ids = [await started(machines, running_shell("exit 0")) for _ in range(3)]
    for id in ids:
        seen = await look(machines, id)
        while seen.power == "running":
            seen = await look(machines, id)
        assert (seen.power, seen.exit_code) == ("stopped", 0)
