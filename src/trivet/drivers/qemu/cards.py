"""Network cards plugged into and pulled out of a running machine."""

import asyncio

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, Nic
from trivet.drivers.qemu.arguments import Ground, card_of, netdev_of
from trivet.drivers.qemu.layout import Layout
from trivet.drivers.qemu.qmp import ExecuteError, Talk, talk, text

_LET_GO_S = 15.0


async def plug(layout: Layout, spec: MachineSpec, nic: Nic, slot: int, ground: Ground) -> None:
    """A card from an earlier, interrupted try is taken as it is."""
    async with talk(layout.qmp, "The network card could not be attached.") as qemu:
        if await has_device(qemu, f"nic{slot}"):
            return
        # A backend without a card is what an interrupted try leaves.
        await _drop_backend(qemu, slot)
        await qemu.ask("netdev_add", netdev_of(nic, slot))
        try:
            await qemu.ask("device_add", card_of(spec, nic, slot, ground))
        except ExecuteError:
            await _drop_backend(qemu, slot)
            raise


async def unplug(layout: Layout, slot: int) -> None:
    async with talk(layout.qmp, "The network card could not be detached.") as qemu:
        await let_go(qemu, f"nic{slot}", "network card")
        await _drop_backend(qemu, slot)


async def let_go(qemu: Talk, device: str, noun: str) -> None:
    """The guest has a say: it must let go of a device first, and one that still boots does not."""
    if not await has_device(qemu, device):
        return
    news = qemu.hear("DEVICE_DELETED")
    try:
        await qemu.ask("device_del", {"id": device})
    except ExecuteError as e:
        if "in the process of unplug" not in str(e):
            raise
    try:
        async with asyncio.timeout(_LET_GO_S):
            await qemu.until(news, lambda event: text(event, "data", "device") == device)
    except TimeoutError:
        raise DriverError(f"The guest does not let go of the {noun}.", again=True) from None


async def has_device(qemu: Talk, device: str) -> bool:
    listed = await qemu.ask("qom-list", {"path": "/machine/peripheral"})
    assert isinstance(listed, list)
    return any(found["name"] == device for found in listed)


async def _drop_backend(qemu: Talk, slot: int) -> None:
    try:
        await qemu.ask("netdev_del", {"id": f"net{slot}"})
    except ExecuteError as e:
        if "not found" not in str(e):
            raise
