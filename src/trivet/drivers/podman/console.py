"""A shell inside a container, behind a Unix socket, as a VM's serial port is.

A container has no serial port that outlives its process, so whoever connects gets a shell of his own,
which ends when he leaves. One at a time; the next is told so, in words, and sent away.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman.engine import Engine

LONGEST_PATH = 107
"""The kernel allows no more in the address of a Unix socket."""
SHELL = "command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l"
CHUNK = 65536


class Consoles:
    def __init__(self, engine: Engine, directory: Path, container_id: Callable[[str], str | None]) -> None:
        self._engine = engine
        self._directory = directory
        self._container_id = container_id
        self._open: dict[str, Console] = {}

    def path(self, id: str) -> str:
        """Listening from now on."""
        if id not in self._open:
            # The first 13 digits of an id are as good as unique here, and the path must be short.
            path = self._directory / id[:13]
            if len(os.fsencode(path)) > LONGEST_PATH:
                raise DriverError("The data folder's path is too long for consoles.", again=False)
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._open[id] = Console(self._engine, path, lambda: self._container_id(id))
        return str(self._open[id].path)

    async def close(self, id: str) -> None:
        console = self._open.pop(id, None)
        if console is not None:
            await console.close()
        else:
            (self._directory / id[:13]).unlink(missing_ok=True)


class Console:
    """The listening socket of one container, and the one session it may have."""

    def __init__(self, engine: Engine, path: Path, container_id: Callable[[], str | None]) -> None:
        self._engine = engine
        self._container_id = container_id
        self.path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(8)
        self._busy = False
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    async def close(self) -> None:
        self._serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving
        self._socket.close()
        self.path.unlink(missing_ok=True)

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._session, sock=self._socket)
        async with server:
            await server.serve_forever()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._busy:
                writer.write(b"Another session has this console. Close it first.\r\n")
                return
            self._busy = True
            try:
                await self._shell(reader, writer)
            finally:
                self._busy = False
        except (ConnectionError, asyncio.CancelledError):
            pass  # he left, or we do
        finally:
            writer.close()

    async def _shell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        container_id = self._container_id()
        if container_id is None:
            writer.write(b"The container is not here.\r\n")
            return
        ours, theirs = os.openpty()
        os.set_blocking(ours, False)
        try:
            process = await self._engine.enter(container_id, theirs, "/bin/sh", "-c", SHELL)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        typing = asyncio.create_task(_type(reader, ours))
        showing = asyncio.create_task(_show(ours, writer))
        try:
            await asyncio.wait({typing, showing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (typing, showing):
                task.cancel()
            await asyncio.gather(typing, showing, return_exceptions=True)
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
