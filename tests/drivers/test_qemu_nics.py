"""Network cards of a real guest on plain taps: there at boot, plugged in, pulled out, and still in their places."""

import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.drivers.qemu_guests import (
    booted,
    console_shows,
    eventually,
    guest_spec,
    in_the_end,
    look,
    need_engine,
    typed,
)

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Nic
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options

pytestmark = [pytest.mark.dataplane, pytest.mark.skipif(os.geteuid() != 0, reason="taps are made by root")]


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[QemuMachines]:
    need_engine()
    driver = QemuMachines(tmp_path / "vms", Options(host_checksum=False))
    yield driver
    for id in await driver.observe():
        await driver.remove(id)


@pytest.fixture
def nics() -> Iterator[list[Nic]]:
    made = []
    try:
        for number in range(3):
            device = f"qx{uuid.uuid4().hex[:8]}"
            subprocess.run(("ip", "tuntap", "add", "dev", device, "mode", "tap"), check=True)
            subprocess.run(("ip", "link", "set", device, "up"), check=True)
            made.append(Nic(port_id=f"port-{number}", mac=f"fa:16:3e:aa:00:0{number}", device=device, mtu=1400))
        yield made
    finally:
        for nic in made:
            subprocess.run(("ip", "link", "delete", nic.device), check=True)


async def cards(machines: QemuMachines, id: str) -> dict[str, str]:
    """MAC -> place on the PCI bus, as the guest sees it."""
    told = await typed(machines, id, 'for n in /sys/class/net/e*; do echo "$(cat $n/address) $(readlink -f $n)"; done')
    return {line.split()[0]: line.split()[1].rsplit("/", 3)[0] for line in told.splitlines() if "virtio" in line}


@pytest.mark.parametrize("machine", ["pc", "q35"])
async def test_a_card_comes_and_goes_while_the_guest_runs_and_keeps_its_place(
    machines: QemuMachines, nics: list[Nic], machine: str
) -> None:
    first, second, third = nics
    id = await booted(machines, guest_spec(nics=(first, second), hw_machine_type=machine))
    before = await cards(machines, id)
    assert set(before) == {first.mac, second.mac}
    told = await typed(machines, id, "cat /sys/class/net/e*/mtu")
    assert told.split() == ["1400", "1400"]

    # The guest lets go in its own time.
    await in_the_end(lambda: machines.detach_nic(id, first.port_id))
    await machines.detach_nic(id, first.port_id)
    assert (await look(machines, id)).marks["nics"] == "port-1"
    await machines.attach_nic(id, third)
    await machines.attach_nic(id, third)
    assert (await look(machines, id)).marks["nics"] == "port-1,port-2"

    async def has_both() -> bool:
        return set(await cards(machines, id)) == {second.mac, third.mac}

    await eventually(has_both, "the new card in the guest")
    now = await cards(machines, id)
    assert now[second.mac] == before[second.mac]
    assert now[third.mac] == before[first.mac]

    await machines.suspend(id)
    await machines.resume(id)
    assert await cards(machines, id) == now
    await machines.stop(id, 0)
    await machines.start(id, {})
    await console_shows(machines, id, "GUEST-READY", times=2)
    assert await cards(machines, id) == now


async def test_a_stopped_guest_has_the_card_at_its_next_start(machines: QemuMachines, nics: list[Nic]) -> None:
    spec = guest_spec()
    await machines.create(spec)
    await machines.attach_nic(spec.id, nics[0])
    await machines.start(spec.id, {})
    await console_shows(machines, spec.id, "GUEST-READY")
    assert set(await cards(machines, spec.id)) == {nics[0].mac}


async def test_a_card_without_its_tap_is_refused_and_leaves_nothing(machines: QemuMachines, nics: list[Nic]) -> None:
    id = await booted(machines, guest_spec())
    absent = Nic(port_id="absent", mac="fa:16:3e:aa:00:09", device=nics[0].device, mtu=1400)
    # Somebody else has the tap already.
    holder = guest_spec(nics=(nics[0],))
    await machines.create(holder)
    await machines.start(holder.id, {})
    with pytest.raises(DriverError) as refused:
        await machines.attach_nic(id, absent)
    assert refused.value.again
    assert (await look(machines, id)).marks["nics"] == ""
    await machines.stop(holder.id, 0)
    await machines.attach_nic(id, absent)
    assert (await look(machines, id)).marks["nics"] == "absent"
