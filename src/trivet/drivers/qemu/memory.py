"""A guest's memory in a file, between suspend and resume: a migration into a file and out of it.

The order decides whether a guest can be harmed. Memory fits its disk only as long as the guest has not
run since, so the file is gone (and the disk knows it) before the guest runs again.
"""

import asyncio
import os
from pathlib import Path

from trivet.drivers import durable
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu import processes
from trivet.drivers.qemu.layout import Layout, Saved, write
from trivet.drivers.qemu.qmp import Talk, talk, text

_SUSPEND_S = 600.0
_SETTLE_S = 10.0
_OVER = ("completed", "failed", "cancelled", "none")
_FAILED = "The virtual machine could not be suspended."


async def save(layout: Layout, accelerator: str) -> None:
    """Afterwards the process is gone and the memory complete; on failure the guest runs on, if it ran."""
    fd = os.open(_part(layout), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        async with talk(layout.qmp, _FAILED) as qemu:
            kind = await qemu.ask("qom-get", {"path": "/machine", "property": "type"})
            await _settle(qemu)
            ran = await qemu.status() == "running"
            await qemu.ask("stop")
            try:
                await _write(qemu, fd)
            except BaseException:
                await _settle(qemu)
                if ran:
                    await qemu.ask("cont")
                raise
        await asyncio.to_thread(os.fsync, fd)
    except BaseException:
        _part(layout).unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    durable.move(_part(layout), layout.memory)
    write(layout.saved, Saved(machine=str(kind).removesuffix("-machine"), accelerator=accelerator))
    await processes.kill(layout)


async def _write(qemu: Talk, fd: int) -> None:
    await qemu.ask("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]})
    # A file takes what it is given: no limit on speed.
    await qemu.ask("migrate-set-parameters", {"max-bandwidth": 1 << 40})
    await qemu.send_fd(fd, "memory")
    news = qemu.hear("MIGRATION")
    await qemu.ask("migrate", {"uri": "fd:memory"})
    async with asyncio.timeout(_SUSPEND_S):
        over = await qemu.until(news, lambda event: text(event, "data", "status") in _OVER)
    if text(over, "data", "status") != "completed":
        raise DriverError(_FAILED + " The host may have no room left.", again=True)


async def _settle(qemu: Talk) -> None:
    """End what an interrupted suspend left under way: QEMU refuses another migration until then."""
    async with asyncio.timeout(_SETTLE_S):
        while (state := await _migration(qemu)) not in ("", *_OVER):
            if state != "cancelling":
                await qemu.ask("migrate_cancel")
            await asyncio.sleep(0.05)
    if await qemu.status() == "postmigrate":
        # Its disk was given away with its memory; only running takes it back.
        await qemu.ask("cont")
        await qemu.ask("stop")


async def _migration(qemu: Talk) -> str:
    told = await qemu.ask("query-migrate")
    assert isinstance(told, dict)
    return str(told.get("status", ""))


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
    """Before the guest runs: from then on its memory would not fit its disk."""
    _part(layout).unlink(missing_ok=True)
    if layout.saved.exists() or layout.memory.exists():
        layout.saved.unlink(missing_ok=True)
        layout.memory.unlink(missing_ok=True)
        durable.sync_folder(layout.folder)


def _part(layout: Layout) -> Path:
    return durable.part_of(layout.memory)
