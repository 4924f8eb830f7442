"""Real engines that hang, for they are stopped where they are: their verbs end, others are served, and all goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from tests.drivers import podman_containers as containers
from tests.drivers import qemu_guests as guests

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MACHINES
from trivet.drivers.contracts.patience import Unanswered, patient
from trivet.drivers.podman.machines import PodmanMachines
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options

pytestmark = pytest.mark.dataplane

machines = containers.machines


@pytest.fixture
async def vms(tmp_path: Path) -> AsyncIterator[QemuMachines]:
    guests.need_engine()
    driver = QemuMachines(tmp_path / "vms", Options(host_checksum=False))
    yield driver
    for id in await driver.observe():
        await driver.remove(id)


async def test_a_qemu_that_never_answers_is_told_and_goes_on_when_it_can(vms: QemuMachines, tmp_path: Path) -> None:
    hasty, calm = patient(vms, MACHINES, most_s=1), patient(vms, MACHINES)
    stuck, well = await guests.booted(vms, guests.guest_spec()), guests.guest_spec()
    await calm.create(well)
    pid = int((tmp_path / "vms" / stuck / "pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        waiting = asyncio.create_task(calm.pause(stuck))
        for verb in (hasty.pause, hasty.suspend, partial(hasty.inject_nmi, marks={})):
            with pytest.raises(Unanswered) as told:
                await verb(stuck)
            assert told.value.again
        await calm.start(well.id, {"boots": "1"})
        await calm.pause(well.id)
        seen = await calm.observe()
        assert (seen[stuck].power, seen[well.id].power) == ("running", "paused")
        await calm.remove(well.id)
    finally:
        os.kill(pid, signal.SIGCONT)

    # Whoever was still waiting is answered, or has been told by then that nobody answers.
    for told_late in await asyncio.gather(waiting, return_exceptions=True):
        assert told_late is None or (isinstance(told_late, DriverError) and told_late.again)
    await guests.in_the_end(lambda: calm.pause(stuck))
    assert (await guests.look(vms, stuck)).power == "paused"
    await calm.unpause(stuck)
    assert await guests.typed(vms, stuck, "echo well") == "well"


async def test_a_podman_that_never_answers_is_told_and_goes_on_when_it_can(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    hasty, calm = patient(machines, MACHINES, most_s=15), patient(machines, MACHINES)
    deaf = containers.running_shell("trap : TERM; echo up; while :; do sleep 1000 & wait; done")
    stuck = await containers.started(machines, deaf)
    await containers.log_has(machines, stuck, "up")
    stopping = asyncio.create_task(hasty.stop(stuck, 1000))

    async def waits_for_it() -> int | None:
        """The podman that has told the container to end, and waits."""
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if words[0] == "podman" and "stop" in words and any(str(tmp_path) in word for word in words):
                return int(entry.parent.name)
        return None

    pid = await containers.eventually(waits_for_it, bool)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    well = await containers.started(calm, containers.a_container())
    await calm.remove(well)
    with pytest.raises(Unanswered) as told:
        await stopping
    assert told.value.again
    assert not Path(f"/proc/{pid}").exists(), "nobody waits for it any more"
    await calm.stop(stuck, 0)
    assert (await containers.look(machines, stuck)).power == "stopped"
    await calm.start(stuck, {"boot": "2"})
    await containers.log_has(machines, stuck, "up", times=2)
