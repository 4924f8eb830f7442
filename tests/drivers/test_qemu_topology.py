"""Virtual machines on CPUs, nodes and pages of their own, by the real QEMU: looked at from outside, where the kernel
says on which CPUs each thread may run, and from inside the guest, which reads its own nodes."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.drivers.qemu_guests import booted, guest_spec, look, need_engine, typed

from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.hardware import SMALL_KIB
from trivet.drivers.contracts.machine import MachineSpec
from trivet.drivers.contracts.topology import GuestNode, Topology
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options
from trivet.drivers.qemu.qmp import talk

pytestmark = pytest.mark.dataplane
HUGE = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def engine_is_here() -> None:
    need_engine()
    assert len(CPUS) > 1, "pinning needs two CPUs"


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[QemuMachines]:
    driver = QemuMachines(tmp_path / "vms", Options(host_checksum=False, shared_cpus=frozenset(CPUS[-1:])))
    yield driver
    for id in await driver.observe():
        await driver.remove(id)


def pinned(**changes: object) -> MachineSpec:
    """Two CPUs in two nodes, the other way round than the host numbers them."""
    first, second = CPUS[:2]
    topology = Topology(
        name="pinned",
        sockets=1,
        cores=2,
        threads=1,
        nodes=(GuestNode((0,), 64, 0, SMALL_KIB), GuestNode((1,), 128, 0, SMALL_KIB)),
        pins={0: second, 1: first},
        emulator=(second,),
    )
    return msgspec.structs.replace(guest_spec(memory_mib=192), vcpus=2, topology=topology, **changes)


async def allowed(machines: QemuMachines, id: str) -> tuple[dict[int, str], set[str]]:
    """(CPU of the guest -> where its thread may run, where the engine's other threads may)"""
    layout = machines._layout(id)
    async with talk(layout.eye, "It does not answer.") as qemu:
        told = await qemu.ask("query-cpus-fast")
    assert isinstance(told, list)
    guest = {int(cpu["thread-id"]): int(cpu["cpu-index"]) for cpu in told}
    at = {int(path.name): _allowed(path) for path in Path(f"/proc/{layout.pid.read_text().strip()}/task").iterdir()}
    return (
        {cpu: at[thread] for thread, cpu in guest.items()},
        {where for thread, where in at.items() if thread not in guest},
    )


def _allowed(task: Path) -> str:
    line = next(line for line in (task / "status").read_text().splitlines() if line.startswith("Cpus_allowed_list"))
    return line.split()[1]


async def test_each_cpu_of_a_guest_runs_on_the_cpu_that_is_its_own_and_the_guest_sees_its_nodes(
    machines: QemuMachines,
) -> None:
    id = await booted(machines, pinned())
    own = {0: str(CPUS[1]), 1: str(CPUS[0])}
    assert await allowed(machines, id) == (own, {str(CPUS[1])})
    assert await typed(machines, id, "cat /sys/devices/system/node/online") == "0-1"
    assert await typed(machines, id, "cat /sys/devices/system/node/node*/cpulist") == "0\n1"
    sizes = await typed(machines, id, "cat /sys/devices/system/node/node*/meminfo | grep MemTotal")
    small, large = (int(line.split()[3]) // 1024 for line in sizes.splitlines())
    assert small < 64 < large < 128
    cores = await typed(machines, id, "cat /sys/devices/system/cpu/cpu*/topology/physical_package_id")
    assert cores == "0\n0"
    await machines.suspend(id)
    await machines.resume(id)
    assert await allowed(machines, id) == (own, {str(CPUS[1])})


async def test_a_guest_without_cpus_of_its_own_runs_where_all_may_and_a_resize_gives_it_its_own(
    machines: QemuMachines,
) -> None:
    spec = guest_spec()
    id = await booted(machines, spec)
    assert await allowed(machines, id) == ({0: str(CPUS[-1])}, {str(CPUS[-1])})
    await machines.stop(id, 0)
    inside = Topology("one", 1, 1, 1, (GuestNode((0,), 128, 0, SMALL_KIB),), {0: CPUS[0]}, emulator=(CPUS[0],))
    await machines.resize(id, 1, 128, 0, topology=inside)
    assert (await look(machines, id)).marks["shape"] == "1/128/0/inside=one"
    await machines.start(id, {"boots": "2"})
    assert await allowed(machines, id) == ({0: str(CPUS[0])}, {str(CPUS[0])})


async def test_a_guest_lies_in_huge_pages_and_gives_them_back(machines: QemuMachines) -> None:
    before = (HUGE / "nr_hugepages").read_text()
    (HUGE / "nr_hugepages").write_text("80")
    if int((HUGE / "nr_hugepages").read_text()) < 80:
        pytest.skip("the kernel gives no huge pages")
    try:
        inside = Topology("huge", 1, 1, 1, (GuestNode((0,), 128, 0, 2048),), {0: CPUS[0]}, emulator=(CPUS[0],))
        id = await booted(machines, msgspec.structs.replace(guest_spec(), topology=inside))
        assert int((HUGE / "free_hugepages").read_text()) == 80 - 64
        second = msgspec.structs.replace(guest_spec(), topology=inside)
        await machines.create(second)
        with pytest.raises(DriverError, match="no such memory left") as refusal:
            await machines.start(second.id, {"boots": "1"})
        assert not refusal.value.again
        await machines.remove(id)
        assert int((HUGE / "free_hugepages").read_text()) == 80
    finally:
        (HUGE / "nr_hugepages").write_text(before)


async def test_a_function_that_the_host_works_with_is_not_taken_from_it(machines: QemuMachines) -> None:
    address = sorted(path.name for path in Path("/sys/bus/pci/devices").iterdir())[-1]
    spec = msgspec.structs.replace(guest_spec(), topology=Topology("pci", 1, 1, 1, functions=(address,)))
    await machines.create(spec)
    with pytest.raises(DriverError, match=f"cannot hand PCI function {address} through") as refusal:
        await machines.start(spec.id, {"boots": "1"})
    assert not refusal.value.again
    assert (await look(machines, spec.id)).power == "stopped"


async def test_a_cpu_that_the_host_does_not_have_keeps_the_guest_from_running(machines: QemuMachines) -> None:
    inside = Topology("none", 1, 1, 1, (GuestNode((0,), 128, 0, SMALL_KIB),), {0: 4000}, emulator=(CPUS[0],))
    spec = msgspec.structs.replace(guest_spec(), topology=inside)
    await machines.create(spec)
    with pytest.raises(DriverError, match=r"cannot run it on CPU 4000"):
        await machines.start(spec.id, {"boots": "1"})
    assert (await look(machines, spec.id)).power != "running"
    assert cpu_sets.written(inside.host_cpus) == "4000"
