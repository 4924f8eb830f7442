"""The record of a machine as verbs need it: there, stopped, or free to change."""

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu import memory, processes
from trivet.drivers.qemu.layout import Layout, Record
from trivet.drivers.qemu.turns import Absent


def need(layout: Layout) -> Record:
    record = layout.record()
    if record is None:
        raise Absent
    return record


def need_stopped(layout: Layout, done: str) -> Record:
    if processes.alive(layout) or memory.is_saved(layout):
        raise DriverError(f"A virtual machine must be stopped to be {done}.", again=False)
    return need(layout)


def changeable(layout: Layout) -> Record:
    """A guest whose memory lies on disk must find its devices as they were."""
    if memory.is_saved(layout):
        raise DriverError("The virtual machine is suspended; resume it first.", again=False)
    return need(layout)
