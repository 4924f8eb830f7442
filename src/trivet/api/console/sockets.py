"""The stream of a console: a websocket on one side, the engine's Unix socket on the other.

The token in the URL was made by any process and is a row in the database, so any process opens the console.
It says which server, and nothing the client sends can change that.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Coroutine
from urllib.parse import parse_qs

from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from trivet.api.kit.app import Receive, Scope, Send, SocketHandler
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.servers import consoles
from trivet.domain.servers.consoles import ConsoleTarget
from trivet.errors import TrivetError
from trivet.parts import Parts

_CHUNK = 64 * 1024
_UNAUTHORIZED = 4401
_UNREACHABLE = 4502
_logger = logging.getLogger(__name__)

Finder = Callable[[ConsoleTarget], str | None]
"""Tells where the stream of a console lies on this machine."""
Trust = Callable[[], ssl.SSLContext | None]


class ConsoleSockets:
    def __init__(self, parts: Parts, find: Finder, own_url: str, trust: Trust = lambda: None) -> None:
        self._parts = parts
        self._find = find
        self._own_url = own_url
        self._trust = trust
        """Which certificate the others of this cloud show."""

    def paths(self) -> dict[str, SocketHandler]:
        return dict.fromkeys(("/console/vnc", "/console/serial", "/console/container"), self.handle)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        target = await self._target(scope)
        if target is None:
            # Not accepted: to whom the token is not known, nothing is said but no.
            await send({"type": "websocket.close", "code": _UNAUTHORIZED})
            return
        path = self._find(target)
        try:
            if path is None:
                await self._relay(scope, target, receive, send)
                return
            reader, writer = await asyncio.open_unix_connection(path)
        except (OSError, WebSocketException) as error:
            _logger.info("The console of server %s cannot be reached: %s", target.server_id, error)
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": _UNREACHABLE, "reason": "The console cannot be reached."})
            return
        await _accept(scope, send)
        try:
            await _pump(reader, writer, receive, send)
        finally:
            writer.close()

    async def _relay(self, scope: Scope, target: ConsoleTarget, receive: Receive, send: Send) -> None:
        """The host is another process's: be the client's client there. The token is as good there as here."""
        async with self._parts.store.read() as tx:
            host = await tx.get(HOSTS, target.host_id)
        if host is None or not host.api_url or host.api_url == self._own_url:
            raise OSError("no process looks after the host at the moment")
        there = re.sub("^http", "ws", host.api_url) + scope["path"] + "?" + scope["query_string"].decode("latin-1")
        trust = self._trust() if there.startswith("wss:") else None
        async with connect(
            there, ssl=trust, subprotocols=[Subprotocol("binary")], open_timeout=5, max_size=None
        ) as far:
            await _accept(scope, send)
            await _pump_far(far, receive, send)

    async def _target(self, scope: Scope) -> ConsoleTarget | None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        token = query.get("token", [""])[-1]
        if not token:
            return None
        try:
            async with self._parts.store.read() as tx:
                return await consoles.redeem(tx, consoles.digest(token))
        except TrivetError:
            return None


async def _accept(scope: Scope, send: Send) -> None:
    offered = scope.get("subprotocols") or []
    await send({"type": "websocket.accept", "subprotocol": "binary" if "binary" in offered else None})


async def _pump_far(far: ClientConnection, receive: Receive, send: Send) -> None:
    async def outward() -> None:
        async for data in far:
            await send({"type": "websocket.send", "bytes": data if isinstance(data, bytes) else data.encode()})

    async def inward() -> None:
        while (data := await _received(receive)) is not None:
            await far.send(data)

    await _both(outward(), inward(), send)


async def _received(receive: Receive) -> bytes | None:
    """What the client sent; None when it left."""
    message = await receive()
    if message["type"] == "websocket.disconnect":
        return None
    data: bytes | None = message.get("bytes")
    return data if data is not None else (message.get("text") or "").encode()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receive: Receive, send: Send) -> None:
    """Carries bytes both ways until either side ends."""

    async def outward() -> None:
        while data := await reader.read(_CHUNK):
            await send({"type": "websocket.send", "bytes": data})

    async def inward() -> None:
        while (data := await _received(receive)) is not None:
            writer.write(data)
            await writer.drain()

    await _both(outward(), inward(), send)


async def _both(outward: Coroutine[None, None, None], inward: Coroutine[None, None, None], send: Send) -> None:
    """Runs both directions until either side ends; if it was the server's side, the client is told."""
    tasks = [asyncio.create_task(outward), asyncio.create_task(inward)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if tasks[0] in done:
        await send({"type": "websocket.close", "code": 1000})
