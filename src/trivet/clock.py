"""Time, so that a simulation can own it. Seconds since the epoch, as everywhere in our tables."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def pause_s(failures: int, *, first_s: float = 1.0, most_s: float = 30.0) -> float:
    """Before the next try of what failed so many times in a row: each makes it twice as long."""
    return min(first_s * 2.0 ** min(max(failures, 1) - 1, 20), most_s)


def iso(at: float | None) -> str | None:
    """2026-01-31T12:00:00Z, the spelling that most OpenStack services use."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_micros(at: float | None, suffix: str = "") -> str | None:
    """2026-01-31T12:00:00.000000, with the suffix that the service wants ("" or "Z")."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + suffix


def parse_iso(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; without a zone it is UTC. Raises ValueError for any other text."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
