"""Passwords: argon2id, at the strength that OWASP names for the smaller memory (7 MiB, 5 passes).

Hashing is slow on purpose, so it runs in threads, two at a time: sixteen logins at once cost time, not memory.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_MEMORY_KIB = 7 * 1024
_PASSES = 5
_AT_ONCE = 2


class Passwords:
    def __init__(self, *, memory_kib: int = _MEMORY_KIB, passes: int = _PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password")
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def matches(self, password: str, hashed: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, password, hashed)

    async def waste(self, password: str) -> None:
        """As long as a check takes, for a user that does not exist: nobody can tell by the time."""
        if self._dummy is None:
            self._dummy = await self.hash("nobody's")
        await self.matches(password, self._dummy)

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
