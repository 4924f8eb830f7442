"""The serial console of a simulated machine: it greets, and answers every line with the line."""

import asyncio
import contextlib
import socket
import tempfile
from pathlib import Path


class SimConsoles:
    def __init__(self) -> None:
        self._folder: Path | None = None
        self._open: dict[str, asyncio.Task[None]] = {}

    def path(self, id: str, hostname: str) -> str:
        """The path of a Unix socket that answers from now on."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="trivet-sim-"))
        path = self._folder / id
        if id not in self._open:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(path))
            listening.listen(8)
            self._open[id] = asyncio.get_running_loop().create_task(_serve(listening, hostname))
        return str(path)

    def forget(self, id: str) -> None:
        task = self._open.pop(id, None)
        if task is not None and self._folder is not None:
            task.cancel()
            (self._folder / id).unlink(missing_ok=True)


async def _serve(listening: socket.socket, hostname: str) -> None:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.LimitOverrunError, ValueError):
            writer.write(f"Simulated console of {hostname}\r\n".encode())
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(session, sock=listening)
    async with server:
        await server.serve_forever()
