"""Moving: a server that leaves is stopped, and its disks are handed over; where it arrives it is made of them."""

from trivet.agent.engines import Engines
from trivet.agent.images import format_of
from trivet.agent.link import Link
from trivet.domain.servers.orders import Order
from trivet.domain.servers.words import ROOT_DISK
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, MachineDriver, Moving
from trivet.errors import Invalid, NotFound


async def hand_over(order: Order, driver: MachineDriver, engines: Engines, link: Link) -> None:
    """Nothing of it runs here or is on a network any more, and what is wanted of its disks is with the cloud."""
    seen = (await driver.observe(order.server_id)).get(order.server_id)
    if seen is not None and seen.power not in ("stopped", "crashed"):
        await driver.stop(order.server_id, order.grace_s if seen.power == "running" else 0)
    for wire in order.wires:
        await engines.wires.unplug(wire.port_id, wire.netns)
    if order.leaves and (seen is None or seen.marks.get("builds") != str(order.builds)):
        raise DriverError("Its disk is not on this host, so it cannot leave it.", again=False)
    for name in order.gives:
        await _give(order, name, driver, link)


async def _give(order: Order, name: str, driver: MachineDriver, link: Link) -> None:
    if not isinstance(driver, Moving):
        raise DriverError(f"A {order.kind} cannot leave this host.", again=False)
    path = link.scratch(f"{order.server_id}.{name}")
    written = await driver.export_disk(order.server_id, name, path)
    try:
        await link.hand_over(order.server_id, name, path, written)
    except Invalid as refusal:
        raise DriverError(refusal.message, again=False) from refusal


async def brought(order: Order, link: Link) -> dict[str, Disk]:
    """The disks that it comes with, by name."""
    found = {}
    for disk in order.brings:
        size_gib = order.disk_gib if disk.name == ROOT_DISK else 0
        try:
            path = await link.moved_disk(order.server_id, disk)
        except NotFound as refusal:
            raise DriverError(refusal.message, again=False) from refusal
        found[disk.name] = Disk(path=path, format=format_of(disk.format), size_gib=size_gib)
    return found
