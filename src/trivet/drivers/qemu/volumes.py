"""Volumes plugged into and pulled out of a running machine, and grown while it uses them."""

import asyncio

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, VolumeDisk
from trivet.drivers.qemu.arguments import disk_of, node_of
from trivet.drivers.qemu.cards import has_device, let_go
from trivet.drivers.qemu.layout import Layout
from trivet.drivers.qemu.qmp import ExecuteError, Talk, talk

_GROWS_S = 30.0
_LOOK_AGAIN_S = 0.05


async def plug(layout: Layout, spec: MachineSpec, volume: VolumeDisk, slot: int) -> None:
    """A disk from an earlier, interrupted try is taken as it is."""
    async with talk(layout.qmp, "The volume could not be attached.") as qemu:
        if await has_device(qemu, f"volume{slot}"):
            return
        # A node without a disk is what an interrupted try leaves.
        await _drop_node(qemu, slot)
        await qemu.ask("blockdev-add", node_of(volume, f"vol{slot}"))
        try:
            await qemu.ask("device_add", disk_of(spec, volume, slot))
        except ExecuteError:
            await _drop_node(qemu, slot)
            raise


async def unplug(layout: Layout, slot: int) -> None:
    async with talk(layout.qmp, "The volume could not be detached.") as qemu:
        await let_go(qemu, f"volume{slot}", "volume")
        await _drop_node(qemu, slot)


async def grow(layout: Layout, node: str, size_gib: int) -> None:
    """The volume is that large already. An idle connection comes back, and hears of it, only when somebody reads."""
    size = size_gib << 30
    async with talk(layout.qmp, "The guest could not be told that the volume has grown.") as qemu:
        try:
            async with asyncio.timeout(_GROWS_S):
                while not await _resized(qemu, node, size):
                    read = f'qemu-io {node} "read -q 0 512"'
                    await qemu.ask("human-monitor-command", {"command-line": read})
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise DriverError("The volume that the guest uses has not grown yet.", again=True) from None


async def _resized(qemu: Talk, node: str, size: int) -> bool:
    try:
        await qemu.ask("block_resize", {"node-name": node, "size": size})
    except ExecuteError as e:
        if "grow" not in str(e):
            raise
        return False
    return True


async def _drop_node(qemu: Talk, slot: int) -> None:
    try:
        await qemu.ask("blockdev-del", {"node-name": f"vol{slot}"})
    except ExecuteError as e:
        if "Failed to find node" not in str(e) and "Cannot find" not in str(e):
            raise
