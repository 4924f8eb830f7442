"""The agent inside a guest (qemu-guest-agent), over its own port: a password is set, file systems stand still.

It is a tenant's program, or nobody: what it says is bounded in size and time, and nothing else is believed of it.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu.layout import Layout

_ANSWER_MAX = 64 * 1024
_SYNC_S, _ANSWER_S = 10.0, 30.0
_SILENT = "The agent inside the guest (qemu-guest-agent) does not answer."
_ON = ("true", "yes", "on", "t", "y", "1")


def is_on(properties: Mapping[str, str], name: str = "hw_qemu_guest_agent") -> bool:
    return properties.get(name, "").lower() in _ON


async def set_password(layout: Layout, user: str, password: str) -> None:
    said = {"username": user, "password": base64.b64encode(password.encode()).decode(), "crypted": False}
    async with _talk(layout.agent) as agent:
        await agent.ask("guest-set-user-password", said)


async def freeze(layout: Layout) -> None:
    """A file says so first: whoever comes after us must know that the guest's file systems stand still."""
    layout.frozen.touch()
    async with _talk(layout.agent) as agent:
        await agent.ask("guest-fsfreeze-freeze")


async def thaw(layout: Layout) -> None:
    """Moving already is fine."""
    async with _talk(layout.agent) as agent:
        await agent.ask("guest-fsfreeze-thaw")
    layout.frozen.unlink(missing_ok=True)


class _Agent:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def begin(self) -> None:
        """What an earlier, interrupted conversation left unread is passed over."""
        number = id(self) & 0x7FFF_FFFF
        said = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
        async with asyncio.timeout(_SYNC_S):
            # It answers with this very byte before its line, so that what is older can be told from it.
            self._writer.write(b"\xff" + msgspec.json.encode(said) + b"\n")
            while True:
                await self._reader.readuntil(b"\xff")
                if _decoded(await self._reader.readuntil(b"\n")).get("return") == number:
                    return

    async def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        said = {"execute": command} | ({"arguments": arguments} if arguments else {})
        async with asyncio.timeout(_ANSWER_S):
            self._writer.write(msgspec.json.encode(said) + b"\n")
            answer = _decoded(await self._reader.readuntil(b"\n"))
        if "error" in answer:
            error = answer["error"]
            why = str(error.get("desc", ""))[:200] if isinstance(error, dict) else ""
            raise DriverError(f"The agent inside the guest refuses: {why}", again=False)
        return answer.get("return")


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DriverError("The agent inside the guest says what nobody understands.", again=False) from error


@asynccontextmanager
async def _talk(path: Path) -> AsyncIterator[_Agent]:
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=_ANSWER_MAX)
    except OSError as error:
        raise DriverError("The guest has no port for an agent.", again=False) from error
    try:
        agent = _Agent(reader, writer)
        await agent.begin()
        yield agent
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise DriverError(_SILENT, again=False) from error
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
