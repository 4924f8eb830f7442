"""Copies of a machine's disks; of its root disk also while it runs: then its file systems stand still for the moment
that is copied, where they can.

Who is killed in between leaves a guest that cannot write. A file says so, and whoever looks at the machine next lets it
go on.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec
from trivet.drivers.qemu import empty_disks, guest_agent, images
from trivet.drivers.qemu.copy_job import copy_node
from trivet.drivers.qemu.layout import Layout

_WHAT = "The snapshot could not be made."
_logger = logging.getLogger(__name__)


async def copy_running(layout: Layout, path: Path, properties: Mapping[str, str]) -> None:
    size = (await images.info(layout.root, "qcow2")).virtual_size
    await images.make_empty(path, size)
    needed = guest_agent.is_on(properties, "os_require_quiesce")
    wanted = needed or guest_agent.is_on(properties)
    still = _still(layout, needed=needed) if wanted else nullcontext()
    await copy_node(layout.qmp, "root", path, "qcow2", _WHAT, still=still)


async def copy_out(layout: Layout, spec: MachineSpec, name: str, path: Path) -> None:
    """One disk of a machine that does not run, as a complete image."""
    path.unlink(missing_ok=True)
    try:
        if name == "root" and spec.disk is not None:
            await images.flatten(layout.root, path)
        elif any(disk.name == name for disk in spec.empty):
            await empty_disks.copy_out(layout.folder, name, path)
        else:
            raise DriverError(f"The machine has no disk {name}.", again=False)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@asynccontextmanager
async def _still(layout: Layout, *, needed: bool) -> AsyncIterator[None]:
    try:
        await guest_agent.freeze(layout)
    except DriverError as error:
        await _go_on(layout)
        if needed:
            raise DriverError(f"{_WHAT} Its image asks for a quiet guest. {error.why}", again=False) from error
        _logger.info("A guest is copied as it is: %s", error.why)
        yield
        return
    try:
        yield
    finally:
        await guest_agent.thaw(layout)


async def _go_on(layout: Layout) -> None:
    """Nobody knows what became of the freeze; an agent that is not there has frozen nothing."""
    try:
        await guest_agent.thaw(layout)
    except DriverError:
        layout.frozen.unlink(missing_ok=True)
