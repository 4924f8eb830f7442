"""Rescue: a stopped machine is given another disk to boot from, or loses it again; its next boot follows from that.

The mark `rescue` says which rescue the machine is in, so all of it may be cut off anywhere and done again.
"""

from trivet.agent.config_drive import config_drive
from trivet.agent.images import format_of, image_path
from trivet.agent.link import Link
from trivet.domain.servers.orders import Order
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, MachineDriver, RescueDisk, Rescuing


async def join_rescue(order: Order, driver: MachineDriver, link: Link) -> None:
    seen = (await driver.observe(order.server_id))[order.server_id]
    here = seen.marks.get("rescue", "")
    if here == order.rescue_mark:
        return
    if not isinstance(driver, Rescuing):
        raise DriverError("This kind of server cannot be in rescue.", again=False)
    disk = await _disk(order, link)
    if seen.power != "stopped":
        await driver.stop(order.server_id, order.grace_s if seen.power == "running" else 0)
    if here:
        await driver.unrescue(order.server_id)
    if disk is not None:
        drive = config_drive(await link.files(order.server_id)) if order.config_drive else None
        await driver.rescue(order.server_id, disk, drive)


async def _disk(order: Order, link: Link) -> RescueDisk | None:
    """Before the machine is stopped: what cannot be rescued goes on as it is."""
    rescue = order.rescue
    if rescue is None:
        return None
    if rescue.image is None:
        raise DriverError("The image to rescue it with is gone.", again=False)
    disk = Disk(path=await image_path(rescue.image, link), format=format_of(rescue.image.format))
    return RescueDisk(disk, order.rescue_mark, device=rescue.device or "disk", bus=rescue.bus)
