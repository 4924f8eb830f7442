"""The API at its doors, and for how long after it was asked to stop."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn

from trivet.api.kit.exchange import AsgiApp
from trivet.api.kit.http import BoundedProtocol
from trivet.process import Process, background
from trivet.serving.aside import Aside
from trivet.serving.certificate import Certificate
from trivet.serving.redirect import redirecting
from trivet.serving.s3_door import S3Door

_LAST_ANSWERS_S = 3.0


class _Config(uvicorn.Config):
    """Uvicorn's configuration with a TLS context of ours, since the certificate may change while it runs."""

    context: ssl.SSLContext | None = None

    def load(self) -> None:
        super().load()
        self.ssl = self.context


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
async def serving(process: Process) -> AsyncIterator[None]:
    """The API, and what else the settings ask for, until the block ends."""
    settings, doors = process.parts.settings, process.doors
    certificate = None
    async with AsyncExitStack() as stack:
        if settings.tls_certificate:
            certificate = Certificate(Path(settings.tls_certificate), Path(settings.tls_key))
            await stack.enter_async_context(background(certificate.keep_fresh(), "certificate"))
        await stack.enter_async_context(_answering(process.app, doors.open(), certificate))
        if settings.http_redirect:
            await stack.enter_async_context(redirecting(doors.open_aside("http_redirect"), settings.url))
        if settings.s3_listen:
            door = S3Door(process.app)
            await stack.enter_async_context(_answering(door, [doors.open_aside("s3_listen")], certificate))
        if settings.metrics_listen:
            own = doors.open_aside("metrics_listen", process.number)
            await stack.enter_async_context(_answering(Aside(process.app), [own], None))
        yield


@asynccontextmanager
async def _answering(
    app: AsgiApp, sockets: list[socket.socket], certificate: Certificate | None
) -> AsyncIterator[None]:
    config = _Config(
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
    config.context = certificate.context if certificate is not None else None
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets), name="http")
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
