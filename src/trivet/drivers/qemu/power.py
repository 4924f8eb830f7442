"""Power: what a machine's QEMU says of it, and asking its guest to go."""

import asyncio
from contextlib import AbstractAsyncContextManager

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Power
from trivet.drivers.qemu import memory, processes
from trivet.drivers.qemu.layout import Layout
from trivet.drivers.qemu.qmp import Talk, talk

_ASK_AGAIN_S = 5.0
"""A guest that still boots misses the power button, so it is pressed again."""
_GLANCE_S = 5.0


async def of(layout: Layout) -> Power:
    if not processes.alive(layout):
        if processes.crashed(layout):
            return "crashed"
        return "suspended" if memory.is_saved(layout) else "stopped"
    try:
        async with talk(layout.eye, "A virtual machine does not answer.", _GLANCE_S) as qemu:
            status = await qemu.status()
    except DriverError:
        # Gone meanwhile, or too busy to answer; that one must not hide the others from the sweep.
        return "running" if processes.alive(layout) else await of(layout)
    match status:
        case "running":
            return "running"
        case "internal-error" | "guest-panicked" | "io-error":
            return "crashed"
        case _:
            return "paused"


async def ask_to_stop(layout: Layout, grace_s: float) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + grace_s
    while (left := until - loop.time()) > 0:
        try:
            async with talk_to(layout) as qemu:
                await qemu.ask("system_powerdown")
        except DriverError:
            # It may have gone while we spoke; the wait below tells.
            pass
        if await processes.wait(layout, min(left, _ASK_AGAIN_S)):
            return True
    return False


def talk_to(layout: Layout) -> AbstractAsyncContextManager[Talk]:
    return talk(layout.qmp, "The virtual machine does not answer.")
