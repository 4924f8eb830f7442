"""Patience: a driver whose every verb ends, also when its engine never answers.

An engine that hangs (a socket that takes and does not answer, a program that waits for a lock) is told as one that
failed for now: `Unanswered`. Most calls end when they are cancelled. One that does not even do that may still take
effect, so nothing else is begun on the same machine, port or network until it has come back; then whoever is
responsible looks at what is there and goes on from that. All others go on meanwhile.

What is handed out passes for its driver, so that `isinstance` tells abilities as before.
"""

import asyncio
import functools
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from trivet.drivers.contracts.errors import DriverError

_PLAIN_S = 180.0
"""What an engine needs at the very most for a word or two. Engines' own patience is shorter, where they have any."""
_LOOK_S = 90.0
_REMOVE_S = 600.0
_BULKY_S = 3600.0
"""Whatever moves a disk or a memory."""
_LOOKS = frozenset(("observe", "plugged", "ports_up", "console_log"))
"""They change nothing, so whatever they do late is no matter to other verbs."""
_BULKY = ("create", "snapshot", "resize", "suspend", "resume")
_PATIENCE_S = {"remove": _REMOVE_S} | dict.fromkeys(_LOOKS, _LOOK_S) | dict.fromkeys(_BULKY, _BULKY_S)
_NOUNS = frozenset(("network", "port", "group", "router"))
_LET_GO_S = 1.0
_logger = logging.getLogger(__name__)

D = TypeVar("D")
T = TypeVar("T")


class Unanswered(DriverError):
    """It may pass, and nobody knows whether it was done."""

    def __init__(self, why: str) -> None:
        super().__init__(why, again=True)


class Calls:
    """Calls into one engine."""

    def __init__(self) -> None:
        self._left: dict[asyncio.Future[Any], str] = {}
        """What nobody waits for any more, and that has not come back: what it was about."""

    async def ended(self, subject: str, call: Callable[[], Awaitable[T]], within_s: float) -> T:
        if subject in self._left.values():
            raise Unanswered("The engine has not come back from an earlier call yet.")
        task = asyncio.ensure_future(call())
        try:
            done, _ = await asyncio.wait((task,), timeout=within_s)
        except asyncio.CancelledError:
            await self._leave(subject, task)
            raise
        if done:
            return task.result()
        await self._leave(subject, task)
        if task.done() and not task.cancelled() and task.exception() is None:
            # At the last moment, but it was done.
            return task.result()
        raise Unanswered(f"The engine did not answer within {within_s:g} s.")

    async def _leave(self, subject: str, task: asyncio.Future[Any]) -> None:
        self._left[task] = subject
        task.add_done_callback(self._came_back)
        task.cancel()
        await asyncio.wait((task,), timeout=_LET_GO_S)
        if not task.done():
            _logger.error("%s: a call hangs and does not let go; until it does, nothing else is done there", subject)

    def _came_back(self, task: asyncio.Future[Any]) -> None:
        subject = self._left.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.info("%s: a call that nobody waits for any more failed: %s", subject, error)


class _Patient:
    __slots__ = ("_calls", "_driver", "_most_s")

    def __init__(self, driver: object, most_s: float) -> None:
        object.__setattr__(self, "_driver", driver)
        object.__setattr__(self, "_most_s", most_s)
        object.__setattr__(self, "_calls", Calls())

    @property  # type: ignore[misc] # nobody sets it
    def __class__(self) -> Any:
        """That of its driver: whoever asks what it can, or what it is, means that."""
        return type(self._driver)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._driver, name)
        return functools.partial(self._answer, name, found) if asyncio.iscoroutinefunction(found) else found

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._driver, name, value)

    async def _answer(self, verb: str, call: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
        subject = _subject([*args, *named.values()])
        within_s = _PATIENCE_S.get(verb, _PLAIN_S) + (args[1] if verb == "stop" else 0)
        key = f"{verb} {subject}" if verb in _LOOKS else subject
        return await self._calls.ended(key, functools.partial(call, *args, **named), min(within_s, self._most_s))


def patient(driver: D, most_s: float = math.inf) -> D:
    """The same driver, whose verbs end: after `most_s` at the latest, and each in the time that it may take."""
    return driver if type(driver) is _Patient else cast("D", _Patient(driver, most_s))


def _subject(args: list[Any]) -> str:
    """What a verb is about: its first word says so, a noun apart; of a spec, its id."""
    first = next((arg for arg in args if not isinstance(arg, str) or arg not in _NOUNS), None)
    if first is None or isinstance(first, str):
        return first or ""
    return str(getattr(first, "id", None) or first.port_id)
