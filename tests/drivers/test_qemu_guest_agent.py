"""The agent inside a real guest: it sets a password, and keeps its file systems still while its disk is copied."""

import asyncio
from pathlib import Path

import pytest
from tests.drivers.qemu_guests import booted, engine_is_here, eventually, guest_spec, look, machines, typed

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options

__all__ = ["engine_is_here", "machines"]

pytestmark = pytest.mark.dataplane


async def test_a_password_is_set_and_a_snapshot_is_of_a_quiet_guest(machines: QemuMachines, tmp_path: Path) -> None:
    spec = guest_spec(hw_qemu_guest_agent="yes", os_require_quiesce="yes")
    id = await booted(machines, spec)
    await typed(machines, id, "until [ -s /run/qemu-ga.pid ]; do sleep 0.2; done")
    before = await typed(machines, id, "grep ^cirros: /etc/shadow")
    await machines.set_password(id, "cirros", "open sesame", {"passwords": "1"})
    assert (await look(machines, id)).marks["passwords"] == "1"
    after = await typed(machines, id, "grep ^cirros: /etc/shadow")
    assert before != after
    with pytest.raises(DriverError, match="agent inside the guest refuses"):
        await machines.set_password(id, "nobody-of-that-name", "x", {})

    assert await machines.snapshot(id, str(tmp_path / "copy.qcow2")) == "qcow2"
    folder = Path(machines.serial_path(id)).parent
    assert not (folder / "frozen").exists()
    # It writes again.
    assert await typed(machines, id, "echo on > /root/note && sync && cat /root/note") == "on"


async def test_a_guest_that_was_left_standing_still_goes_on(machines: QemuMachines, tmp_path: Path) -> None:
    """Whoever froze it died before it was copied; the next look at the machine finds that."""
    id = await booted(machines, guest_spec(hw_qemu_guest_agent="yes"))
    await typed(machines, id, "until [ -s /run/qemu-ga.pid ]; do sleep 0.2; done")
    folder = tmp_path / "vms" / id
    reader, writer = await asyncio.open_unix_connection(Path(machines.serial_path(id)).with_name("agent"))
    writer.write(b'{"execute": "guest-fsfreeze-freeze"}\n')
    await reader.readline()
    writer.close()
    (folder / "frozen").touch()
    again = QemuMachines(tmp_path / "vms", Options(host_checksum=False))

    async def goes_on() -> bool:
        await again.observe(id)
        return not (folder / "frozen").exists()

    await eventually(goes_on, "the guest goes on")
    assert await typed(machines, id, "echo on > /root/note && sync && cat /root/note") == "on"


async def test_what_needs_a_quiet_guest_is_not_copied_from_one_that_has_no_agent(
    machines: QemuMachines, tmp_path: Path
) -> None:
    id = await booted(machines, guest_spec(os_require_quiesce="yes"))
    with pytest.raises(DriverError, match="no port for an agent") as told:
        await machines.snapshot(id, str(tmp_path / "copy.qcow2"))
    assert not told.value.again
    with pytest.raises(DriverError, match="no port for an agent"):
        await machines.set_password(id, "root", "x", {})
