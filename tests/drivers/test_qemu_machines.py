"""Virtual machines by the real QEMU, from the small guest image that tools/ builds (TRIVET_TEST_GUEST).

Every guest here really boots; what it does is read on its console and asked on its serial port.
"""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.drivers.qemu_guests import (
    IMAGE,
    PATIENCE_S,
    booted,
    console_shows,
    engine_is_here,
    eventually,
    guest_spec,
    look,
    machines,
    machines_folder,
    processes_in,
    typed,
)

from trivet.drivers.contracts import machine as contract
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options

__all__ = ["engine_is_here", "machines"]

pytestmark = pytest.mark.dataplane


def test_the_driver_has_every_ability_that_a_machine_may_have() -> None:
    driver = QemuMachines(Path("/nonexistent"))
    for ability in (
        contract.Pausing,
        contract.Suspending,
        contract.NicHotplug,
        contract.Snapshotting,
        contract.Resizing,
        contract.CrashDump,
        contract.SerialConsole,
        contract.GraphicalConsole,
    ):
        assert isinstance(driver, ability)


async def test_a_guest_boots_and_leaves_when_asked(machines: QemuMachines) -> None:
    id = await booted(machines, guest_spec())
    seen = await look(machines, id)
    assert (seen.power, seen.marks["boots"]) == ("running", "1")
    assert await machines.stop(id, PATIENCE_S)
    assert b"GUEST-ACPI-POWEROFF" in await machines.console_log(id, 1 << 16)
    assert (await look(machines, id)).power == "stopped"
    assert await machines.stop(id, PATIENCE_S)

    await machines.start(id, {"boots": "2"})
    await console_shows(machines, id, "GUEST-READY", times=2)
    assert (await look(machines, id)).marks["boots"] == "2"


async def test_a_guest_that_does_not_listen_is_cut(machines: QemuMachines) -> None:
    spec = guest_spec()
    await machines.create(spec)
    await machines.start(spec.id, {})
    # Its firmware has only just begun: nobody hears the button.
    assert not await machines.stop(spec.id, 0.1)
    assert (await look(machines, spec.id)).power == "stopped"
    assert not await _cut_after_boot(machines, spec.id)


async def _cut_after_boot(machines: QemuMachines, id: str) -> bool:
    await machines.start(id, {})
    await console_shows(machines, id, "GUEST-INIT")
    return await machines.stop(id, 0)


async def test_every_verb_may_be_called_twice(machines: QemuMachines) -> None:
    spec = guest_spec()
    await machines.create(spec)
    await machines.create(spec)
    await machines.start(spec.id, {"boots": "1"})
    pid = processes_in(machines_folder(machines, spec.id))
    await machines.start(spec.id, {"boots": "1"})
    assert processes_in(machines_folder(machines, spec.id)) == pid
    await machines.pause(spec.id)
    await machines.pause(spec.id)
    assert (await look(machines, spec.id)).power == "paused"
    await machines.unpause(spec.id)
    await machines.unpause(spec.id)
    assert (await look(machines, spec.id)).power == "running"
    await machines.remove(spec.id)
    await machines.remove(spec.id)
    assert not await machines.observe()
    assert await machines.stop(spec.id, 1)
    with pytest.raises(DriverError, match="no such"):
        await machines.start(spec.id, {})


async def test_a_paused_guest_does_nothing_at_all(machines: QemuMachines) -> None:
    id = await booted(machines, guest_spec())
    await typed(machines, id, "(while sleep 0.1; do echo TI''CK; done > /dev/console) & true")
    await console_shows(machines, id, "TICK", times=3)
    await machines.pause(id)
    assert (await look(machines, id)).power == "paused"
    logs = [await machines.console_log(id, 1 << 20)]

    async def silent() -> bool:
        """What it said last may still be on its way into the log."""
        await asyncio.sleep(1)
        logs.append(await machines.console_log(id, 1 << 20))
        return logs[-1] == logs[-2]

    await eventually(silent, "a paused guest says nothing")
    await machines.unpause(id)
    await console_shows(machines, id, "TICK", times=logs[-1].count(b"TICK") + 3)


async def test_a_suspended_guest_goes_on_where_it_was(machines: QemuMachines) -> None:
    id = await booted(machines, guest_spec())
    await typed(machines, id, "echo remembered > /run/value")
    await machines.suspend(id)
    assert (await look(machines, id)).power == "suspended"
    assert not processes_in(machines_folder(machines, id))
    await machines.suspend(id)

    await machines.resume(id)
    assert (await look(machines, id)).power == "running"
    assert await typed(machines, id, "cat /run/value") == "remembered"
    assert (await machines.console_log(id, 1 << 20)).count(b"GUEST-INIT") == 1
    # The memory of a guest that has run on would not fit its disk any more.
    assert not (machines_folder(machines, id) / "memory").exists()

    await machines.suspend(id)
    assert not await machines.stop(id, 0)
    await machines.start(id, {})
    await console_shows(machines, id, "GUEST-INIT", times=2)


_SUSPEND = """
import asyncio, sys
from pathlib import Path
from trivet.drivers.qemu.machines import QemuMachines
async def main():
    print("now", flush=True)
    await QemuMachines(Path(sys.argv[1])).suspend(sys.argv[2])
asyncio.run(main())
"""


async def test_a_suspend_that_was_interrupted_anywhere_is_done_again(machines: QemuMachines, tmp_path: Path) -> None:
    id = await booted(machines, guest_spec())
    for after_s in (0.02, 0.08, 0.15, 0.25):
        await typed(machines, id, f"echo {after_s} > /run/value")
        suspending = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _SUSPEND, str(tmp_path / "vms"), id), stdout=asyncio.subprocess.PIPE
        )
        assert suspending.stdout
        await suspending.stdout.readline()
        await asyncio.sleep(after_s)
        if suspending.returncode is None:
            suspending.kill()
        await suspending.wait()

        await machines.suspend(id)
        assert (await look(machines, id)).power == "suspended"
        await machines.resume(id)
        assert await typed(machines, id, "cat /run/value") == str(after_s)
        left = {path.name for path in machines_folder(machines, id).iterdir()}
        assert not left & {"memory", "memory.part", "saved.json"}


async def test_a_snapshot_of_a_running_guest_boots_as_another(machines: QemuMachines, tmp_path: Path) -> None:
    id = await booted(machines, guest_spec())
    await typed(machines, id, "echo travels > /root/value; sync")
    copy = tmp_path / "copy.qcow2"
    assert await machines.snapshot(id, str(copy)) == "qcow2"
    told = subprocess.run(("qemu-img", "info", copy), check=True, capture_output=True, text=True).stdout
    assert "backing" not in told
    assert await machines.snapshot(id, str(copy)) == "qcow2"
    await typed(machines, id, "echo later > /root/value; sync")
    await machines.remove(id)

    other = await booted(machines, guest_spec(str(copy)))
    assert await typed(machines, other, "cat /root/value") == "travels"
    await machines.stop(other, 0)
    flat = tmp_path / "flat.qcow2"
    await machines.snapshot(other, str(flat))
    told = subprocess.run(("qemu-img", "info", flat), check=True, capture_output=True, text=True).stdout
    assert "backing" not in told


async def test_a_resized_guest_sees_its_new_size(machines: QemuMachines) -> None:
    id = await booted(machines, guest_spec())
    with pytest.raises(DriverError, match="must be stopped"):
        await machines.resize(id, 2, 160, 1)
    await machines.stop(id, 0)
    await machines.resize(id, 2, 160, 1)
    await machines.start(id, {})
    await console_shows(machines, id, "GUEST-READY", times=2)
    assert await typed(machines, id, "nproc") == "2"
    assert await typed(machines, id, "cat /sys/block/vda/size") == str((1 << 30) // 512)


async def test_an_injected_nmi_makes_the_guest_panic(machines: QemuMachines) -> None:
    id = await booted(machines, guest_spec())
    await machines.inject_nmi(id, {"interrupts": "1"})
    assert (await look(machines, id)).marks["interrupts"] == "1"
    await console_shows(machines, id, "Kernel panic")
    await console_shows(machines, id, "GUEST-READY", times=2)


async def test_the_graphical_console_speaks_rfb(machines: QemuMachines) -> None:
    spec = guest_spec()
    await machines.create(spec)
    await machines.start(spec.id, {})
    reader, writer = await asyncio.open_unix_connection(machines.vnc_path(spec.id))
    assert await reader.readline() == b"RFB 003.008\n"
    writer.close()


async def test_a_directory_with_a_very_long_name_still_has_its_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "vms"
    machines = QemuMachines(deep, Options(accelerator="tcg"))
    spec = guest_spec()
    await machines.create(spec)
    await machines.start(spec.id, {})
    link = machines_folder(machines, spec.id).parent
    assert link.is_symlink()
    try:
        assert (await look(machines, spec.id)).power == "running"
        with socket.socket(socket.AF_UNIX) as serial:
            serial.connect(machines.serial_path(spec.id))
    finally:
        await machines.remove(spec.id)
    assert not link.is_symlink()


async def test_the_console_log_does_not_grow_for_ever(machines: QemuMachines) -> None:
    id = await booted(machines, guest_spec())
    log = machines_folder(machines, id) / "console.log"
    with log.open("ab") as file:
        file.write(b"x" * (6 << 20) + b"TAIL\n")
    await machines.observe()
    assert log.stat().st_size < 2 << 20
    assert (await machines.console_log(id, 1 << 20)).count(b"TAIL") == 1
    await typed(machines, id, "echo AF''TER")
    await console_shows(machines, id, "AFTER")
    assert len(await machines.console_log(id, 100)) == 100


@pytest.mark.parametrize(
    ("machine", "firmware", "memory_mib"), [("q35", "bios", 128), ("pc", "bios", 128), ("q35", "uefi", 320)]
)
async def test_a_config_drive_is_read_by_every_machine_type(
    machines: QemuMachines, tmp_path: Path, machine: str, firmware: str, memory_mib: int
) -> None:
    content = tmp_path / "content" / "openstack" / "latest"
    content.mkdir(parents=True)
    (content / "meta_data.json").write_text('{"uuid": "1", "hostname": "from-the-drive"}')
    iso = tmp_path / "config.iso"
    words = ("xorriso", "-as", "mkisofs", "-quiet", "-J", "-r", "-V", "config-2", "-o", str(iso))
    subprocess.run((*words, str(tmp_path / "content")), check=True, capture_output=True)
    spec = guest_spec(
        config_drive=iso.read_bytes(), memory_mib=memory_mib, hw_machine_type=machine, hw_firmware_type=firmware
    )
    await machines.create(spec)
    await machines.start(spec.id, {})
    await console_shows(machines, spec.id, "hostname=from-the-drive")


async def test_a_start_that_fails_says_why_and_may_be_tried_again(machines: QemuMachines) -> None:
    nic = contract.Nic(port_id="p", mac="fa:16:3e:00:00:01", device="qxabsent0", mtu=1442)
    spec = guest_spec(nics=(nic,), memory_mib=1 << 26)
    await machines.create(spec)
    with pytest.raises(DriverError, match="no memory left") as refused:
        await machines.start(spec.id, {"boots": "1"})
    assert refused.value.again
    seen = await look(machines, spec.id)
    assert (seen.power, seen.marks["boots"]) == ("stopped", "0")


async def test_everything_that_remains_of_a_half_made_machine_is_seen_and_can_go(
    machines: QemuMachines, tmp_path: Path
) -> None:
    spec = guest_spec()
    await machines.create(spec)
    (tmp_path / "vms" / spec.id / "spec.json").unlink()
    assert (await look(machines, spec.id)).power == "stopped"
    assert (await look(machines, spec.id)).marks == {}
    await machines.create(spec)
    assert (await look(machines, spec.id)).marks["boots"] == "0"
    assert Path(IMAGE).exists()


async def test_nothing_of_ours_is_awake_while_guests_run(machines: QemuMachines) -> None:
    spec = guest_spec()
    await machines.create(spec)
    await machines.start(spec.id, {})

    async def asleep() -> bool:
        return asyncio.all_tasks() == {asyncio.current_task()}

    await eventually(asleep, "nothing of ours is awake")
