"""A copy of a running machine's root disk."""

from pathlib import Path

from trivet.drivers.qemu import images
from trivet.drivers.qemu.copy_job import copy_node
from trivet.drivers.qemu.layout import Layout


async def copy_running(layout: Layout, path: Path) -> None:
    size = (await images.info(layout.root, "qcow2")).virtual_size
    await images.make_empty(path, size)
    await copy_node(layout.qmp, "root", path, "qcow2", "The snapshot could not be made.")
