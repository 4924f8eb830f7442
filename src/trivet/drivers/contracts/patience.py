"""Patience: a driver whose every verb ends, also when its engine never answers.

Each verb of a contract says how long it may take and what it is about (`within`). An engine that hangs (a socket that
takes and does not answer, a program that waits for a lock) is told as one that failed for now: `Unanswered`. Most calls
end when they are cancelled. One that does not even do that may still take effect, so nothing else is begun on the same
machine, port or network until it has come back; then whoever is responsible looks at what is there and goes on from
that. All others go on meanwhile.

What is handed out has the verbs of the contracts that its driver keeps, and no others.
"""

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from operator import attrgetter
from typing import Any, TypeVar, cast

from trivet.drivers.contracts.errors import DriverError

PLAIN_S = 180.0
"""What an engine needs at the very most for a word or two. Engines' own patience is shorter, where they have any."""
LOOK_S = 90.0
REMOVE_S = 600.0
BULKY_S = 3600.0
"""Whatever moves a disk or a memory."""
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


def within(
    most_s: float, *, about: str = "", looks: bool = False, longer_by: str = ""
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Of one verb. `about` is the word, or the field of a word (`spec.id`), that says which object it concerns;
    `longer_by` the word for how much more time the caller gives it. What only `looks` is no matter to other verbs,
    however late it ends."""

    def state(verb: Callable[..., T]) -> Callable[..., T]:
        verb.__patience__ = _Stated(verb, most_s, about, looks, longer_by)  # type: ignore[attr-defined] # read below
        return verb

    return state


class _Stated:
    """What a contract says of one of its verbs."""

    def __init__(self, verb: Callable[..., Any], most_s: float, about: str, looks: bool, longer_by: str) -> None:
        self.name = verb.__name__
        self._words = inspect.signature(verb)
        self._most_s = most_s
        self._looks = looks
        self._longer_by = longer_by
        word, _, field = about.partition(".")
        assert not word or word in self._words.parameters, f"{self.name} has no {word}"
        self._word = word
        self._field = attrgetter(field) if field else None

    def of_call(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, float]:
        """(what this call is about, how long it may take)"""
        said = self._words.bind(None, *args, **named).arguments
        about = said.get(self._word)
        if about is not None and self._field is not None:
            about = self._field(about)
        subject = str(about or "")
        return f"{self.name} {subject}" if self._looks else subject, self._most_s + said.get(self._longer_by, 0.0)


class _Patient:
    """Its verbs are its own attributes, so that `isinstance` finds the abilities of the driver, and no more."""

    def __init__(self, driver: object, contracts: Iterable[type], most_s: float) -> None:
        self.driver = driver
        calls = Calls()
        for contract in contracts:
            verbs = [name for name, verb in vars(contract).items() if inspect.isfunction(verb) and name[0] != "_"]
            if all(hasattr(driver, name) for name in verbs):
                for name in verbs:
                    found = getattr(driver, name)
                    stated = getattr(getattr(contract, name), "__patience__", None)
                    setattr(self, name, found if stated is None else _ending(calls, stated, found, most_s))


def _ending(
    calls: Calls, stated: _Stated, verb: Callable[..., Awaitable[Any]], most_s: float
) -> Callable[..., Awaitable[Any]]:
    async def ends(*args: Any, **named: Any) -> Any:
        subject, within_s = stated.of_call(args, named)
        return await calls.ended(subject, lambda: verb(*args, **named), min(within_s, most_s))

    return ends


def patient(driver: D, contracts: Iterable[type], most_s: float = math.inf) -> D:
    """The same driver as far as these contracts go, whose verbs end: after `most_s` at the latest, and each in the time
    that its contract gives it."""
    return driver if isinstance(driver, _Patient) else cast("D", _Patient(driver, contracts, most_s))


def behind(driver: object) -> object:
    """The driver behind the bounds, for callers that know the engine itself, such as a simulation."""
    return driver.driver if isinstance(driver, _Patient) else driver
