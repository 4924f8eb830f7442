"""A copy of a disk that is in use, as it was at one moment.

QEMU's backup job copies a block before anybody may overwrite it, so the copy is the disk at the moment when the job
started, however long it takes and whatever is written meanwhile.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from qemu.qmp import Message

from trivet.drivers.qemu.complaints import refusal
from trivet.drivers.qemu.qmp import Talk, talk, text

_JOB, _NODE = "snapshot", "snapshot-copy"


async def copy_node(
    socket: Path,
    node: str,
    path: Path,
    format: str,
    what_failed: str,
    *,
    still: AbstractAsyncContextManager[None] | None = None,
) -> None:
    """Of a QEMU or a storage daemon. The target is there already, empty and large enough. `still` holds whoever writes
    to the disk for the moment that is copied."""
    target = {
        "driver": format,
        "node-name": _NODE,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "file": {"driver": "file", "filename": str(path), "discard": "unmap"},
    }
    async with talk(socket, what_failed) as qemu:
        await _clear(qemu)
        await qemu.ask("blockdev-add", target)
        try:
            await _backup(qemu, node, what_failed, still or nullcontext())
        finally:
            await _clear(qemu)


async def _backup(qemu: Talk, node: str, what_failed: str, still: AbstractAsyncContextManager[None]) -> None:
    news = qemu.hear("JOB_STATUS_CHANGE")
    job = {"job-id": _JOB, "device": node, "target": _NODE, "sync": "full", "auto-dismiss": False}
    async with still:
        await qemu.ask("blockdev-backup", job)
    await qemu.until(news, _concluded)
    for found in await _jobs(qemu):
        if found.get("error"):
            raise refusal(what_failed, str(found["error"]))


async def _clear(qemu: Talk) -> None:
    """What this or an earlier, interrupted copy left."""
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
