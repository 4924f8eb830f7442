"""The volumes of one server: those that are wanted and no others, as large as they are.

One that cannot be had, or that the guest does not let go, keeps nothing else of the server from being done.
"""

import msgspec

from trivet.domain.servers.orders import Order
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineDriver, Seen, VolumeDisk, VolumeHotplug


class Faults(msgspec.Struct):
    final: dict[str, str] = {}
    """Attachment -> why it cannot be had."""
    passing: str | None = None
    """What may be otherwise in a while."""


NO_FAULTS = Faults()


def plugged(seen: Seen) -> dict[str, int]:
    """Attachment -> GiB, as the machine's marks say; 0 of one that is half put in, or whose engine died."""
    said = seen.marks.get("volumes", "")
    return {id: int(size) for id, _, size in (pair.partition("=") for pair in said.split(",") if pair)}


def usable(seen: Seen) -> tuple[str, ...]:
    """Attachments that the machine has."""
    return tuple(id for id, size in plugged(seen).items() if size)


async def join_volumes(order: Order, driver: MachineDriver, faults: Faults) -> None:
    seen = (await driver.observe(order.server_id)).get(order.server_id)
    here = plugged(seen) if seen is not None else {}
    wanted = {volume.id: volume for volume in order.volumes}
    if set(here) == set(wanted) and all(here[id] == volume.size_gib for id, volume in wanted.items()):
        return
    if not isinstance(driver, VolumeHotplug):
        faults.final = dict.fromkeys(wanted, "This kind of server takes no volumes here.")
        return
    for id in sorted(here.keys() - wanted.keys()):
        await _unplug(order, driver, id, faults)
    for id, volume in wanted.items():
        await _plug(order, driver, volume, here.get(id), faults)


async def _unplug(order: Order, driver: VolumeHotplug, id: str, faults: Faults) -> None:
    try:
        await driver.detach_volume(order.server_id, id)
    except DriverError as error:
        faults.passing = error.why


async def _plug(order: Order, driver: VolumeHotplug, volume: VolumeDisk, has_gib: int | None, faults: Faults) -> None:
    try:
        if not has_gib:
            await driver.attach_volume(order.server_id, volume)
        elif has_gib < volume.size_gib:
            await driver.resize_volume(order.server_id, volume.id, volume.size_gib)
    except DriverError as error:
        if error.again or has_gib:
            faults.passing = error.why
        else:
            faults.final[volume.id] = error.why
