"""On which CPUs of the host each thread of a machine's QEMU runs; told anew before a guest goes on.

QEMU starts its threads itself and may not move them, so they are moved from outside while the guest stands still.
"""

import os
from collections.abc import Collection
from pathlib import Path

from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.topology import Topology
from trivet.drivers.qemu import memory
from trivet.drivers.qemu.layout import Layout
from trivet.drivers.qemu.qmp import Talk, talk


async def go_on(layout: Layout, shared: frozenset[int]) -> None:
    """The guest runs, on the CPUs that are its own or, where it has none, on those that are shared (none: on all)."""
    record = layout.record()
    topology = record.spec.topology if record is not None else None
    # There still is a memory when we were killed between writing it and ending QEMU.
    memory.forget(layout)
    async with talk(layout.qmp, "The virtual machine does not answer.") as qemu:
        if shared or (topology is not None and topology.nodes):
            _place(int(layout.pid.read_text()), await _threads(qemu), topology, shared)
        await qemu.ask("cont")


async def _threads(qemu: Talk) -> dict[int, int]:
    """Thread -> the guest's CPU that it is."""
    told = await qemu.ask("query-cpus-fast")
    assert isinstance(told, list)
    return {int(cpu["thread-id"]): int(cpu["cpu-index"]) for cpu in told}


def _place(pid: int, cpus: dict[int, int], topology: Topology | None, shared: frozenset[int]) -> None:
    # The main thread first: those that it starts later run where it does.
    threads = [pid, *sorted(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir() if path.name != str(pid))]
    for thread in threads:
        wanted = _where(topology, cpus.get(thread)) or shared
        if wanted:
            _move(thread, wanted)


def _where(topology: Topology | None, cpu: int | None) -> frozenset[int]:
    if topology is None:
        return frozenset()
    if cpu is None:
        return frozenset(topology.emulator)
    if cpu in topology.pins:
        return frozenset((topology.pins[cpu],))
    return frozenset(on for node in topology.nodes if cpu in node.cpus for on in node.floats)


def _move(thread: int, wanted: Collection[int]) -> None:
    try:
        os.sched_setaffinity(thread, wanted)
        has = os.sched_getaffinity(thread)
    except ProcessLookupError:
        return  # a helper that has ended
    except OSError:
        has = set()
    if has != set(wanted):
        # The kernel takes what it can of a set and says nothing about the rest.
        raise DriverError(
            f"The host cannot run it on CPU {cpu_sets.written(set(wanted) - has)}: it is offline, or kept from us.",
            again=False,
        )
