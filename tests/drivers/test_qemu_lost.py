"""What becomes of a guest when its process dies, hangs, loses its mark or outlives the process that started it."""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.drivers.qemu_guests import (
    PATIENCE_S,
    booted,
    console_shows,
    engine_is_here,
    guest_spec,
    in_the_end,
    look,
    machines,
    machines_folder,
    processes_in,
    typed,
)

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options
from trivet.drivers.qemu.qmp import talk

__all__ = ["engine_is_here", "machines"]

pytestmark = pytest.mark.dataplane


async def test_whoever_waits_for_a_qemu_that_dies_is_told(machines: QemuMachines) -> None:
    spec = guest_spec()
    await machines.create(spec)
    await machines.start(spec.id, {})
    (pid,) = processes_in(machines_folder(machines, spec.id))
    with pytest.raises(DriverError, match="It failed"):
        async with talk(machines_folder(machines, spec.id) / "qmp", "It failed.") as qemu:
            news = qemu.hear("NEVER")
            os.kill(pid, signal.SIGKILL)
            await qemu.until(news, lambda event: True)


async def test_a_qemu_that_does_not_answer_hides_no_other(machines: QemuMachines) -> None:
    stuck, well = guest_spec(), guest_spec()
    for spec in (stuck, well):
        await machines.create(spec)
        await machines.start(spec.id, {})
    (pid,) = processes_in(machines_folder(machines, stuck.id))
    os.kill(pid, signal.SIGSTOP)
    seen = await machines.observe()
    assert {seen[stuck.id].power, seen[well.id].power} == {"running"}
    # Neither the button nor a polite signal reaches it.
    assert not await machines.stop(stuck.id, 0)
    assert (await look(machines, stuck.id)).power == "stopped"


_DRIVE = """
import asyncio, sys
from pathlib import Path
from tests.drivers.qemu_guests import guest_spec
from trivet.drivers.qemu.machines import QemuMachines
async def main():
    machines = QemuMachines(Path(sys.argv[1]))
    spec = guest_spec()
    await machines.create(spec)
    await machines.start(spec.id, {"boots": "7"})
    print(spec.id, flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_a_guest_outlives_the_process_that_started_it_and_the_next_one_finds_it(
    machines: QemuMachines, tmp_path: Path
) -> None:
    driving = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _DRIVE, str(tmp_path / "vms")),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    assert driving.stdout
    id = (await driving.stdout.readline()).decode().strip()
    os.killpg(driving.pid, signal.SIGKILL)
    await driving.wait()

    seen = await look(machines, id)
    assert (seen.power, seen.marks["boots"]) == ("running", "7")
    assert len(processes_in(tmp_path)) == 1
    await console_shows(machines, id, "GUEST-READY")
    hint = asyncio.ensure_future(anext(machines.watch()))
    await machines.stop(id, PATIENCE_S)
    assert await asyncio.wait_for(hint, PATIENCE_S) == id


async def test_a_qemu_that_was_killed_is_a_crash_and_a_guest_that_powered_off_is_not(machines: QemuMachines) -> None:
    id = await booted(machines, guest_spec())
    hints = machines.watch()
    (pid,) = processes_in(machines_folder(machines, id))
    os.kill(pid, signal.SIGKILL)
    assert await anext(hints) == id
    assert (await look(machines, id)).power == "crashed"

    await machines.start(id, {"boots": "2"})
    await console_shows(machines, id, "GUEST-READY", times=2)
    hint = asyncio.ensure_future(anext(hints))
    with pytest.raises(AssertionError, match="serial port was closed"):
        await typed(machines, id, "poweroff -f; sleep 100")
    assert await hint == id
    assert (await look(machines, id)).power == "stopped"


async def test_a_number_in_a_pid_file_that_went_to_another_process_is_not_taken_for_the_guest(
    machines: QemuMachines, tmp_path: Path
) -> None:
    spec = guest_spec()
    await machines.create(spec)
    bystander = await asyncio.create_subprocess_exec("sleep", "3600")
    (tmp_path / "vms" / spec.id / "pid").write_text(f"{bystander.pid}\n")
    assert (await look(machines, spec.id)).power == "crashed"
    assert await machines.stop(spec.id, 1)
    assert (await look(machines, spec.id)).power == "stopped"
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()


async def test_a_guest_whose_pid_file_was_lost_gives_way_to_a_reboot(machines: QemuMachines, tmp_path: Path) -> None:
    """The class: what the engine left in a broken state. It would keep its disk locked against its successor."""
    id = await booted(machines, guest_spec())
    (pid,) = processes_in(machines_folder(machines, id))
    (tmp_path / "vms" / id / "pid").unlink()
    await machines.stop(id, 0)
    await machines.start(id, {})
    (successor,) = processes_in(machines_folder(machines, id))
    assert successor != pid
    assert (await machines.observe(id))[id].power == "running"


async def test_two_processes_of_ours_never_run_one_machine_twice(machines: QemuMachines, tmp_path: Path) -> None:
    spec = guest_spec()
    await machines.create(spec)
    others = [QemuMachines(tmp_path / "vms", Options(accelerator="tcg")) for _ in range(4)]
    # Whoever waits too long for another's turn is told to try again.
    await asyncio.gather(*(in_the_end(partial(other.start, spec.id, {"boots": "1"})) for other in others))
    assert len(processes_in(tmp_path)) == 1
    assert (await look(machines, spec.id)).power == "running"
