"""Passwords: argon2id, at the strength that OWASP names for the smaller memory (7 MiB, 5 passes).

Hashing is slow on purpose, so it runs in threads, two at a time: sixteen logins at once cost time, not memory. The
threads are our own. A pool's thread wakes the loop and then goes on with its books, so the loop wakes only to wait for
the interpreter; that costs a third of the way there and back.
"""

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_MEMORY_KIB = 7 * 1024
_PASSES = 5
_AT_ONCE = 2
T = TypeVar("T")
_Work = Callable[[], None]


class Passwords:
    def __init__(self, *, memory_kib: int = _MEMORY_KIB, passes: int = _PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._dummy: str | None = None
        self._waiting: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self.close = weakref.finalize(self, _dismiss, self._waiting)
        """Ends the threads; garbage collection calls it, too."""

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def matches(self, password: str, hashed: str) -> bool:
        return await self._in_thread(lambda: self._verify(password, hashed))

    async def waste(self, password: str) -> None:
        """Takes as long as a check, for a user that does not exist: nobody can tell that by the time."""
        if self._dummy is None:
            self._dummy = await self.hash("nobody's")
        await self.matches(password, self._dummy)

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            if found.cancelled():
                return
            try:
                tell = partial(found.set_result, work())
            except BaseException as error:  # raised where it is waited for
                tell = partial(found.set_exception, error)
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(_unless_done, found, tell)

        if not self._threads:
            self._threads = [
                Thread(target=_serve, args=(self._waiting,), name="password", daemon=True) for _ in range(_AT_ONCE)
            ]
            for thread in self._threads:
                thread.start()
        self._waiting.put(run)
        return await found


def _serve(waiting: "SimpleQueue[_Work | None]") -> None:
    while (work := waiting.get()) is not None:
        work()
        del work  # while nothing is to be done, a thread keeps nobody's password


def _unless_done(found: "asyncio.Future[T]", tell: _Work) -> None:
    if not found.done():
        tell()


def _dismiss(waiting: "SimpleQueue[_Work | None]") -> None:
    for _ in range(_AT_ONCE):
        waiting.put(None)
