"""The daemon of one volume: started, told who may reach the volume, and ended.

The graph inside:  an export for each attachment -> throttle node `top` -> raw node `disk` -> the file.
Of one that is encrypted there is a node `clear` above `disk`: whoever copies `disk` copies what is sealed.
"""

import asyncio
import fcntl
import os

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import Connection, Key, Limits, Serving
from trivet.drivers.qemu import processes
from trivet.drivers.qemu.qmp import Talk, talk, text
from trivet.drivers.qsd import sealed
from trivet.drivers.qsd.layout import GIB, Layout

_FAILED = "The volume cannot be reached."
_DELETED_S = 30.0
_LIMITS = {
    "total_iops": "iops-total",
    "read_iops": "iops-read",
    "write_iops": "iops-write",
    "total_bytes": "bps-total",
    "read_bytes": "bps-read",
    "write_bytes": "bps-write",
}


async def serve(layout: Layout, wanted: Serving, key: Key | None) -> dict[str, Connection]:
    """The daemon is there exactly while somebody may reach the volume."""
    if not wanted.exports:
        await processes.kill(layout)
        return {}
    if not processes.alive(layout):
        await _launch(layout, key)
    async with talk(layout.qmp, _FAILED) as daemon:
        await daemon.ask("qom-set", {"path": "/objects/limits", "property": "limits", "value": _words(wanted.limits)})
        await _export(daemon, {_export_id(id, read_only): id for id, read_only in wanted.exports.items()})
    return {id: Connection(path=str(layout.nbd), export=id, encrypted=layout.encrypted) for id in wanted.exports}


async def grow(layout: Layout, size_gib: int) -> None:
    """No node grows while it is exported: the exports go and come back, and who uses them waits that long."""
    async with talk(layout.qmp, "The volume could not grow.") as daemon:
        exports = {id: _attachment(id) for id in await _exports(daemon)}
        await _export(daemon, {})
        try:
            await daemon.ask("block_resize", {"node-name": "top", "size": size_gib * GIB})
        finally:
            await _export(daemon, exports)


async def _launch(layout: Layout, key: Key | None) -> None:
    if layout.encrypted and key is None:
        raise sealed.key_is_missing()
    layout.nbd.unlink(missing_ok=True)
    lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # The daemon inherits it: it is free again exactly when the daemon is gone, whatever becomes of us.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if key is not None and layout.encrypted:
            with sealed.handed(key) as fd:
                await _run(layout, _arguments(layout, fd), (lock, fd))
        else:
            await _run(layout, _arguments(layout, None), (lock,))
    except BlockingIOError:
        raise DriverError("The volume is still being served by another process.", again=True) from None
    finally:
        os.close(lock)


async def _run(layout: Layout, words: list[str], fds: tuple[int, ...]) -> None:
    await processes.launch(layout, words, fds, program=("qemu-storage-daemon",), what_failed=_FAILED)


def _arguments(layout: Layout, key: int | None) -> list[str]:
    """`key`: the descriptor that holds it."""
    disk = {
        "driver": "raw",
        "node-name": "disk",
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(layout.disk), "discard": "unmap"},
    }
    below = "disk" if key is None else "clear"
    top = {"driver": "throttle", "node-name": "top", "throttle-group": "limits", "file": below}
    return [
        *("--pidfile", str(layout.pid)),
        *("--object", "throttle-group,id=limits"),
        *("--blockdev", msgspec.json.encode(disk).decode()),
        *(_clear(key) if key is not None else ()),
        *("--blockdev", msgspec.json.encode(top).decode()),
        *("--nbd-server", f"addr.type=unix,addr.path={_word(layout.nbd)},max-connections=0"),
        # Last, so that who is answered here can be sure of all else.
        *("--chardev", f"socket,id=qmp,path={_word(layout.qmp)},server=on,wait=off"),
        *("--monitor", "chardev=qmp"),
    ]


def _clear(key: int) -> tuple[str, ...]:
    node = {"driver": "luks", "node-name": "clear", "key-secret": "key", "file": "disk"}
    return ("--object", sealed.secret(key), "--blockdev", msgspec.json.encode(node).decode())


async def _export(daemon: Talk, wanted: dict[str, str]) -> None:
    """Exactly these: export -> attachment."""
    here = await _exports(daemon)
    for id in sorted(here - wanted.keys()):
        news = daemon.hear("BLOCK_EXPORT_DELETED")
        await daemon.ask("block-export-del", {"id": id, "mode": "hard"})
        async with asyncio.timeout(_DELETED_S):
            while id in await _exports(daemon):
                await daemon.until(news, lambda event, id=id: text(event, "data", "id") == id)  # type: ignore[misc]
    for id in sorted(wanted.keys() - here):
        export = {"type": "nbd", "id": id, "node-name": "top", "name": wanted[id], "writable": id.startswith("w-")}
        await daemon.ask("block-export-add", export)


async def _exports(daemon: Talk) -> set[str]:
    told = await daemon.ask("query-block-exports")
    assert isinstance(told, list)
    return {str(export["id"]) for export in told}


def _export_id(attachment_id: str, read_only: bool) -> str:
    """What is another way in is another export."""
    return f"{'r' if read_only else 'w'}-{attachment_id}"


def _attachment(export_id: str) -> str:
    return export_id[2:]


def _words(limits: Limits) -> dict[str, int]:
    return {word: getattr(limits, name) for name, word in _LIMITS.items()}


def _word(value: object) -> str:
    """QEMU ends a value at a comma; two of them are one."""
    return str(value).replace(",", ",,")
