"""The QEMU process of a machine: started so that it outlives us, found again, waited for, ended.

Its pid file is the memory: QEMU holds a lock on it while it runs (so a second one for the same machine
refuses to start) and takes it away when it ends in order. A pid file that nobody lives behind is therefore
a machine that crashed, and no pid file is one that was stopped or that powered itself off.
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.programs import PLAIN, Bounds
from trivet.drivers.qemu.complaints import refusal

_START = 'umask 077; "$@" </dev/null >/dev/null 2>"$0" & echo $!'
"""A shell that starts a program and leaves, so that this is nobody's child and in a session of its own."""
_LEAVE_S = 5.0
_QUICKLY_S = 60.0


class Place(Protocol):
    """Where a process leaves its traces: QEMU's own, and those of its storage daemon alike."""

    @property
    def pid(self) -> Path: ...
    @property
    def qmp(self) -> Path: ...
    @property
    def complaints(self) -> Path: ...


MACHINE = ("qemu-system-x86_64",)


async def launch(
    layout: Place,
    arguments: list[str],
    pass_fds: tuple[int, ...] = (),
    *,
    program: Sequence[str] = MACHINE,
    what_failed: str = "The virtual machine could not start.",
) -> None:
    """Of what does not run. Returns when it answers, or tells why it did not start."""
    layout.qmp.unlink(missing_ok=True)
    pid = await begin(layout.complaints, (*program, *arguments), pass_fds)
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        raise _failure(layout, what_failed) from None
    try:
        await _answering(layout, fd, what_failed)
    except asyncio.CancelledError:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        raise
    finally:
        os.close(fd)


async def begin(complaints: Path, words: Sequence[str], pass_fds: tuple[int, ...] = (), bounds: Bounds = PLAIN) -> int:
    """Its number. It is nobody's child; what it complains about goes into a file."""
    shell = await programs.run(("sh", "-c", _START, str(complaints), *words), pass_fds=pass_fds, bounds=bounds)
    return int(shell.out)


async def _answering(layout: Place, fd: int, what_failed: str) -> None:
    """QEMU answers on its QMP socket when all that it needs is open and its guest could run."""
    async with asyncio.timeout(_QUICKLY_S):
        while not await _answer(layout):
            if await ended(fd, 0.02):
                raise _failure(layout, what_failed)


async def _answer(layout: Place) -> bytes:
    """To the command that every conversation begins with; its greeting comes from another thread, before all that."""
    try:
        reader, writer = await asyncio.open_unix_connection(layout.qmp)
    except (FileNotFoundError, ConnectionRefusedError):
        # Not there yet, or there and not listened to yet.
        return b""
    try:
        await reader.readline()
        writer.write(b'{"execute": "qmp_capabilities"}\n')
        return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def _failure(layout: Place, what_failed: str) -> DriverError:
    try:
        complaint = layout.complaints.read_text(errors="replace")
    except OSError:
        complaint = ""
    return refusal(what_failed, complaint)


def alive(layout: Place) -> bool:
    with _handle(layout) as fd:
        return fd is not None


def crashed(layout: Place) -> bool:
    return layout.pid.exists() and not alive(layout)


async def wait(layout: Place, seconds: float) -> bool:
    """True when it has ended."""
    with _handle(layout) as fd:
        return fd is None or await ended(fd, seconds)


async def kill(layout: Place) -> None:
    """Whatever it is doing. Afterwards the machine is stopped, not crashed.

    Also one whose pid file was lost, or it would keep its disk locked against whatever is started next.
    """
    with _handle(layout) as fd:
        if fd is not None:
            await _end(fd)
    for stray in await asyncio.to_thread(_strays, layout):
        try:
            await _end(stray)
        finally:
            os.close(stray)
    layout.pid.unlink(missing_ok=True)


async def _end(fd: int) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        if not await ended(fd, _LEAVE_S):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            await ended(fd, _LEAVE_S)


async def ended(fd: int, seconds: float) -> bool:
    """A pidfd becomes readable when its process has ended."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    # A duplicate, because a loop has one reader for each number and others may watch the same process.
    mine = os.dup(fd)
    loop.add_reader(mine, over.set)
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
        return True
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(mine)
        os.close(mine)


class Exits:
    """Tells of every process's end, without looking."""

    def __init__(self) -> None:
        self._followed: dict[str, int] = {}
        self._ended: asyncio.Queue[str] = asyncio.Queue()

    def follow(self, id: str, layout: Place) -> None:
        """Twice is fine; so is a machine that does not run, of which nothing is told."""
        if id in self._followed:
            return
        with _handle(layout) as fd:
            if fd is not None:
                mine = self._followed[id] = os.dup(fd)
                asyncio.get_running_loop().add_reader(mine, self._end, id)

    async def next(self) -> str:
        return await self._ended.get()

    def _end(self, id: str) -> None:
        fd = self._followed.pop(id)
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        self._ended.put_nowait(id)


@contextmanager
def _handle(layout: Place) -> Iterator[int | None]:
    """A pidfd of the machine's process, or None when there is none."""
    fd = _open(layout)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _open(layout: Place) -> int | None:
    try:
        pid = int(layout.pid.read_text())
        fd = os.pidfd_open(pid)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    # Only now is the number sure not to go to another process before we look whose it is.
    if _is_its(layout, pid):
        return fd
    os.close(fd)
    return None


def _strays(layout: Place) -> list[int]:
    """Descriptors of what runs this machine, found without its pid file."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_its(layout, int(entry.name)):
            with suppress(ProcessLookupError):
                found.append(os.pidfd_open(int(entry.name)))
    return found


def _is_its(layout: Place, pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return os.fsencode(layout.pid) in words
