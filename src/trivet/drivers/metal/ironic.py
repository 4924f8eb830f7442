"""A small client of Ironic's API, for what is done in the cloud's own name."""

import asyncio
from typing import Any, Protocol

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.upstream import Away, Upstream

Json = Any
VERSION = "1.109"
_LOCKED_TRIES = 30
_LOCKED_S = 1.0
"""Whoever is at work on a machine has it locked; who asks then is told to come again."""
_AWAY_S, _AWAY_EVERY_S = 60.0, 0.5
"""How long one that is away is waited for."""
_OURSELVES = [
    ("x-identity-status", "Confirmed"),
    ("x-user-id", "trivet"),
    ("x-roles", "admin,member,reader"),
    ("openstack-system-scope", "all"),
]
_SAID = [
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("x-openstack-ironic-api-version", VERSION),
]


class Ironic(Protocol):
    """What is needed of it; a test may have another one."""

    async def call(self, method: str, path: str, body: Json = None) -> Json:
        """DriverError where it says no: for good if what was asked is wrong, for now if it is busy or away."""
        ...


class Refused(DriverError):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(
            f"The engine for physical machines refused: {why}", again=status in (409, 429) or status >= 500
        )
        self.status = status


class OurIronic:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def call(self, method: str, path: str, body: Json = None) -> Json:
        content = b"" if body is None else msgspec.json.encode(body)
        for _ in range(_LOCKED_TRIES):
            status, answer = await self._asked(method, path, content)
            if status != 409:
                break
            await asyncio.sleep(_LOCKED_S)
        if status >= 300:
            raise Refused(status, _reason(answer) or str(status))
        return msgspec.json.decode(answer) if answer else {}

    async def _asked(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        """What was not heard is asked again: an engine that ended is started again, and goes on where it was."""
        end = asyncio.get_running_loop().time() + _AWAY_S
        while True:
            try:
                return await self._exchanged(method, path, content)
            except Away as error:
                if (error.reached and method != "GET") or asyncio.get_running_loop().time() > end:
                    raise
            await asyncio.sleep(_AWAY_EVERY_S)

    async def _exchanged(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        answer = await self._upstream.ask(method, path, _SAID, content, _OURSELVES)
        found = bytearray()
        try:
            async for chunk in answer.chunks:
                found += chunk
        finally:
            await answer.close()
        return answer.status, bytes(found)


def _reason(answer: bytes) -> str:
    """Out of {"error_message": {"faultstring": ...}}, which some releases write as a text within the text."""
    try:
        said = msgspec.json.decode(answer)["error_message"]
        said = msgspec.json.decode(said) if isinstance(said, str) else said
        return str(said["faultstring"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return ""
