"""Where one process answers HTTP, and for how long after it was asked to stop.

One of several workers has two doors: the one that all of them share, where the kernel chooses who hears a client, and
one of its own, where the others reach what only this one has, such as the consoles of its hosts.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

import uvicorn

from trivet.api.kit.app import App
from trivet.api.kit.http import BoundedProtocol
from trivet.errors import Invalid
from trivet.settings import Settings

_LAST_ANSWERS_S = 3.0


class Doors:
    """Taken while it is a context; nobody is let in before `serving`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sockets: list[socket.socket] = []
        self.own_url = settings.own_url
        """Where this very process answers, and no other."""

    def __enter__(self) -> Self:
        if self._settings.workers > 1:
            self._sockets.append(self._take(0))
            self.own_url = self._settings.url_at(self._sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        for taken in self._sockets:
            taken.close()

    def open(self) -> list[socket.socket]:
        self._sockets.append(self._take(self._settings.listen_port))
        for taken in self._sockets:
            taken.listen(1024)
            taken.setblocking(False)
        return self._sockets

    def _take(self, port: int) -> socket.socket:
        host = self._settings.listen_host.strip("[]")
        taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port and self._settings.workers > 1:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            taken.bind((host, port))
        except OSError as error:
            taken.close()
            raise Invalid(
                "listen.refused",
                f"Cannot listen on {self._settings.listen} ({error.strerror}); choose another with --listen.",
            ) from error
        return taken


class _Server(uvicorn.Server):
    """Signals are the command's business, not the server's; and stopping is short and says nothing."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What is being answered may end. What does not in time is cancelled, and has ended before this returns."""
        state = self.server_state
        for server in self.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        end = time.monotonic() + _LAST_ANSWERS_S
        while (state.connections or state.tasks) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        late = list(state.tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


@asynccontextmanager
async def serving(app: App, doors: Doors) -> AsyncIterator[None]:
    """The API until the block ends."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="websockets-sansio",
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
        ws_max_size=1 << 20,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(doors.open()), name="http")
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
