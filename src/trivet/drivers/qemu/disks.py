"""A copy of a running machine's disk, as it was at one moment.

QEMU's backup job copies a block before the guest may overwrite it, so the copy is the disk at the moment
when the job started, however long it takes and whatever the guest does meanwhile.
"""

from pathlib import Path

from qemu.qmp import Message

from trivet.drivers.qemu import images
from trivet.drivers.qemu.complaints import refusal
from trivet.drivers.qemu.layout import Layout
from trivet.drivers.qemu.qmp import Talk, talk, text

_FAILED = "The snapshot could not be made."
_JOB, _NODE = "snapshot", "snapshot-copy"


async def copy_running(layout: Layout, path: Path) -> None:
    size = (await images.info(layout.root, "qcow2")).virtual_size
    await images.make_empty(path, size)
    target = {
        "driver": "qcow2",
        "node-name": _NODE,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "file": {"driver": "file", "filename": str(path)},
    }
    async with talk(layout.qmp, _FAILED) as qemu:
        await _clear(qemu)
        await qemu.ask("blockdev-add", target)
        try:
            await _backup(qemu)
        finally:
            await _clear(qemu)


async def _backup(qemu: Talk) -> None:
    news = qemu.hear("JOB_STATUS_CHANGE")
    job = {"job-id": _JOB, "device": "root", "target": _NODE, "sync": "full", "auto-dismiss": False}
    await qemu.ask("blockdev-backup", job)
    await qemu.until(news, _concluded)
    for found in await _jobs(qemu):
        if found.get("error"):
            raise refusal(_FAILED, str(found["error"]))


async def _clear(qemu: Talk) -> None:
    """What this or an earlier, interrupted snapshot left."""
    for found in await _jobs(qemu):
        if found.get("status") != "concluded":
            news = qemu.hear("JOB_STATUS_CHANGE")
            await qemu.ask("job-cancel", {"id": _JOB})
            await qemu.until(news, _concluded)
        await qemu.ask("job-dismiss", {"id": _JOB})
    nodes = await qemu.ask("query-named-block-nodes", {"flat": True})
    assert isinstance(nodes, list)
    if any(node["node-name"] == _NODE for node in nodes):
        await qemu.ask("blockdev-del", {"node-name": _NODE})


async def _jobs(qemu: Talk) -> list[dict[str, object]]:
    told = await qemu.ask("query-jobs")
    assert isinstance(told, list)
    return [job for job in told if job["id"] == _JOB]


def _concluded(event: Message) -> bool:
    return (text(event, "data", "id"), text(event, "data", "status")) == (_JOB, "concluded")
