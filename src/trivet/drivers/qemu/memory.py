"""A guest's memory in a file, between suspend and resume: a migration into a file and out of it.

The order decides whether a guest can be harmed. Memory fits its disk only as long as the guest has not
run since, so the file is gone (and the disk knows it) before the guest runs again.
"""

import asyncio
import os

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu import processes
from trivet.drivers.qemu.layout import Layout, Saved, sync_directory, write
from trivet.drivers.qemu.qmp import talk, text

_SUSPEND_S = 600.0
_FAILED = "The virtual machine could not be suspended."


async def save(layout: Layout, accelerator: str) -> None:
    """Afterwards the process is gone and the memory complete; on failure the guest runs on."""
    part = layout.memory.with_name("memory.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        async with talk(layout.qmp, _FAILED) as qemu:
            machine = await qemu.ask("qom-get", {"path": "/machine", "property": "type"})
            was_running = await qemu.status() == "running"
            await qemu.ask("stop")
            try:
                await qemu.ask("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]})
                # A file takes what it is given: no limit on speed, and no dirty page to send twice.
                await qemu.ask("migrate-set-parameters", {"max-bandwidth": 1 << 40})
                await qemu.send_fd(fd, "memory")
                news = qemu.hear("MIGRATION")
                await qemu.ask("migrate", {"uri": "fd:memory"})
                async with asyncio.timeout(_SUSPEND_S):
                    async for event in news:
                        state = text(event, "data", "status")
                        if state == "completed":
                            break
                        if state in ("failed", "cancelled"):
                            raise DriverError(_FAILED + " The host may have no room left.", again=True)
            except (DriverError, TimeoutError):
                if was_running:
                    await qemu.ask("cont")
                raise
        await asyncio.to_thread(os.fsync, fd)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    kind = str(machine).removesuffix("-machine")
    part.rename(layout.memory)
    write(layout.saved, Saved(machine=kind, accelerator=accelerator))
    await processes.kill(layout)


async def load(layout: Layout, arguments: list[str]) -> None:
    """The guest as it was, standing still. The memory file is gone."""
    fd = os.open(layout.memory, os.O_RDONLY)
    try:
        await processes.launch(layout, [*arguments, "-incoming", f"fd:{fd}"], pass_fds=(fd,))
        try:
            await _loaded(layout)
        except BaseException:
            await processes.kill(layout)
            raise
    finally:
        os.close(fd)
    forget(layout)


async def _loaded(layout: Layout) -> None:
    async with talk(layout.qmp, "The virtual machine could not be resumed.") as qemu:
        while await qemu.status() == "inmigrate":
            await asyncio.sleep(0.05)


def is_saved(layout: Layout) -> bool:
    return layout.saved.exists()


def forget(layout: Layout) -> None:
    layout.saved.unlink(missing_ok=True)
    layout.memory.unlink(missing_ok=True)
    sync_directory(layout.folder)
