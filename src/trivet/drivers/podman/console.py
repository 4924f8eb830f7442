"""A shell inside a container, behind a Unix socket, as a VM's serial port is.

A container has no serial port that outlives its process, so whoever connects gets a shell of his own,
which ends when he leaves. One at a time; the next is told so, in words, and sent away.
"""

import asyncio
import contextlib
import os
import signal
import socket
import termios
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman.definition import name_of
from trivet.drivers.podman.engine import Engine

LONGEST_PATH = 107
"""The kernel allows no more in the address of a Unix socket."""
SHELL = "command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l"
CHUNK = 65536
MOST_SESSIONS = 16
WAITS_S = 600.0
"""How long a session that was opened waits for somebody: as long as who may come in has the right to."""


Begin = Callable[[int], Awaitable[asyncio.subprocess.Process | None]]
"""Starts a program on the terminal of this number; None: there is nothing to start it in."""


class Consoles:
    def __init__(self, engine: Engine, directory: Path, container_id: Callable[[str], str | None]) -> None:
        self._engine = engine
        self._directory = directory
        self._container_id = container_id
        self._open: dict[str, Console] = {}
        self._attached: dict[str, Console] = {}
        self._sessions: dict[tuple[str, str], Console] = {}

    def path(self, id: str) -> str:
        """Listening from now on."""
        if id not in self._open:
            # The first 13 digits of an id are as good as unique here, and the path must be short.
            self._open[id] = Console(self._place(id[:13]), lambda on: self._enter(id, on, ("/bin/sh", "-c", SHELL)))
        return str(self._open[id].path)

    def session(self, id: str, session: str | None) -> str:
        """Of the container's own program (None), or of a session that was opened."""
        if session is not None:
            found = self._sessions.get((id, session))
            if found is None:
                raise DriverError("There is no such session any more.", again=False)
            return str(found.path)
        if id not in self._attached:
            self._attached[id] = Console(self._place(f"{id[:13]}.a"), lambda on: self._attach(id, on), raw=True)
        return str(self._attached[id].path)

    async def open_session(self, id: str, session: str, command: tuple[str, ...]) -> None:
        """Whoever connects first has it, and it ends when he leaves, or when nobody came."""
        mine = [key for key in self._sessions if key[0] == id]
        if len(mine) >= MOST_SESSIONS:
            raise DriverError(f"{MOST_SESSIONS} sessions are open in this container; close one first.", again=False)
        key = id, session
        console = Console(self._place(session[:16]), lambda on: self._enter(id, on, command), once=WAITS_S)
        self._sessions[key] = console
        console.whenever_over(lambda: self._sessions.pop(key, None))

    def resize(self, id: str, session: str | None, rows: int, columns: int) -> None:
        found = self._attached.get(id) if session is None else self._sessions.get((id, session))
        if session is not None and found is None:
            raise DriverError("There is no such session any more.", again=False)
        if found is not None:
            found.resize(rows, columns)

    async def close(self, id: str) -> None:
        console = self._open.pop(id, None)
        if console is not None:
            await console.close()
        else:
            (self._directory / id[:13]).unlink(missing_ok=True)
        attached = self._attached.pop(id, None)
        if attached is not None:
            await attached.close()
        for key in [key for key in self._sessions if key[0] == id]:
            await self._sessions.pop(key).close()

    def _place(self, name: str) -> Path:
        path = self._directory / name
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise DriverError("The data folder's path is too long for consoles.", again=False)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    async def _enter(self, id: str, on: int, command: tuple[str, ...]) -> asyncio.subprocess.Process | None:
        container_id = self._container_id(id)
        return None if container_id is None else await self._engine.enter(container_id, on, *command)

    async def _attach(self, id: str, on: int) -> asyncio.subprocess.Process | None:
        if self._container_id(id) is None:
            return None
        return await self._engine.attach(name_of(id), on)


class Console:
    """A listening socket, and the one session it may have."""

    def __init__(self, path: Path, begin: Begin, *, raw: bool = False, once: float | None = None) -> None:
        """`raw`: what is on the other side of the terminal has one itself. `once`: it is for one session only, which
        begins within so many seconds."""
        self._begin = begin
        self._raw = raw
        self._once = once
        self._size: tuple[int, int] | None = None
        self._terminal: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(8)
        self._busy = False
        self._begun, self._over = asyncio.Event(), asyncio.Event()
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    def whenever_over(self, tell: Callable[[], object]) -> None:
        self._serving.add_done_callback(lambda _: tell())

    def resize(self, rows: int, columns: int) -> None:
        """Also before it begins."""
        self._size = rows, columns
        if self._terminal is not None and self._process is not None:
            termios.tcsetwinsize(self._terminal, self._size)
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGWINCH)

    async def close(self) -> None:
        self._serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving
        self._socket.close()
        self.path.unlink(missing_ok=True)

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._session, sock=self._socket)
        async with server:
            if self._once is None:
                await server.serve_forever()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._begun.wait(), self._once)
                await self._over.wait()
        self.path.unlink(missing_ok=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._busy:
                writer.write(b"Another session has this console. Close it first.\r\n")
                return
            self._busy = True
            self._begun.set()
            try:
                await self._shell(reader, writer)
            finally:
                self._busy = self._once is not None
                self._over.set()
        except (ConnectionError, asyncio.CancelledError):
            pass  # he left, or we do
        finally:
            writer.close()

    async def _shell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours, theirs = os.openpty()
        os.set_blocking(ours, False)
        if self._raw:
            tty.setraw(theirs)
        if self._size is not None:
            termios.tcsetwinsize(ours, self._size)
        try:
            process = await self._begin(theirs)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        if process is None:
            os.close(ours)
            writer.write(b"The container is not here.\r\n")
            return
        self._terminal, self._process = ours, process
        typing = asyncio.create_task(_type(reader, ours))
        showing = asyncio.create_task(_show(ours, writer))
        try:
            await asyncio.wait({typing, showing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (typing, showing):
                task.cancel()
            await asyncio.gather(typing, showing, return_exceptions=True)
            self._terminal = self._process = None
            os.close(ours)
            # As when a terminal's line drops; the kernel then ends what the shell had started.
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)
            try:
                await asyncio.wait_for(process.wait(), 2)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _type(reader: asyncio.StreamReader, terminal: int) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(CHUNK):
        while data:
            try:
                data = data[os.write(terminal, data) :]
            except BlockingIOError:
                await _ready(terminal, loop.add_writer, loop.remove_writer)


async def _show(terminal: int, writer: asyncio.StreamWriter) -> None:
    """Until the shell ends, which the terminal shows as an input/output error."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            writer.write(os.read(terminal, CHUNK))
            await writer.drain()
        except BlockingIOError:
            await _ready(terminal, loop.add_reader, loop.remove_reader)
        except OSError:
            return


async def _ready(fd: int, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool]) -> None:
    turned = asyncio.Event()
    add(fd, turned.set)
    try:
        await turned.wait()
    finally:
        remove(fd)
