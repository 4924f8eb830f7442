"""Talking to a running QEMU: one short conversation at a time, on a socket of its own.

No connection is kept. One for each machine would cost 20 KiB and two tasks each, to hear little more than
the kernel tells through the process's pidfd; opening one takes half a millisecond of CPU.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from qemu.qmp import EventListener, Message, QMPClient, QMPError, Runstate
from qemu.qmp.protocol import StateError
from qemu.qmp.qmp_client import ExecuteError

from trivet.drivers.qemu.complaints import refusal

# The library logs, as an error, all that it raises; we raise it as well, and decide what it means.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)

_CONNECT_S = 30.0
_LOOK_UP_S = 1.0

__all__ = ["EventListener", "ExecuteError", "Talk", "talk"]


class Talk:
    def __init__(self, client: QMPClient, line: socket.socket) -> None:
        self._client = client
        self._line = line

    async def ask(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        return await self._client.execute(command, dict(arguments) if arguments else None)

    async def status(self) -> str:
        told = await self.ask("query-status")
        assert isinstance(told, dict)
        return str(told["status"])

    def hear(self, *names: str) -> EventListener:
        """Events from now on; in time for what the next command causes."""
        listener = EventListener(names)
        self._client.register_listener(listener)
        return listener

    async def until(self, news: EventListener, wanted: Callable[[Message], bool]) -> Message:
        """The next event that is wanted. Looks up now and then: a listener is not told that QEMU has gone."""
        while self._client.runstate == Runstate.RUNNING:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_UP_S):
                    async for event in news:
                        if wanted(event):
                            return event
        raise StateError("QEMU has gone", self._client.runstate, Runstate.RUNNING)

    async def send_fd(self, fd: int, name: str) -> None:
        # By the socket itself: what the client reaches through its transport is another thing in every event loop.
        socket.send_fds(self._line, [b" "], [fd])
        await self.ask("getfd", {"fdname": name})


@asynccontextmanager
async def talk(path: Path, what_failed: str, patience_s: float = _CONNECT_S) -> AsyncIterator[Talk]:
    """What QEMU refuses, and what it leaves unanswered when it dies, are DriverErrors."""
    client = QMPClient("trivet")
    line = socket.socket(socket.AF_UNIX)
    line.setblocking(False)
    try:
        async with asyncio.timeout(patience_s):
            await asyncio.get_running_loop().sock_connect(line, str(path))
            await client.connect(line)
    except BaseException as e:
        line.close()
        if isinstance(e, QMPError | OSError | TimeoutError):
            raise refusal(what_failed, str(e)) from e
        raise
    try:
        yield Talk(client, line)
    except (QMPError, OSError) as e:
        raise refusal(what_failed, str(e)) from e
    finally:
        # It may have left before us; the conversation is over either way.
        with suppress(QMPError, OSError, EOFError):
            await client.disconnect()


def text(event: Message, *keys: str) -> str:
    """A value inside an event, or nothing."""
    found: object = dict(event)
    for key in keys:
        found = found.get(key, "") if isinstance(found, dict) else ""
    return str(found)
