"""Health checks: a command that is run in a container now and then, within its limits, as often as its owner said.

podman has them by the host's timers, at whatever pace the image says; here they are run while somebody reads the
driver's watch, so many at once and no more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from trivet.drivers.contracts.container import Executed, HealthCheck
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Seen
from trivet.drivers.podman.records import Records

_logger = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_AT_ONCE = 8
_LONGEST_S = 120.0

Execute = Callable[[str, tuple[str, ...], float], Awaitable[Executed]]


class HealthChecks:
    def __init__(self, records: Records, execute: Execute, tell: Callable[[str], None]) -> None:
        self._records = records
        self._execute = execute
        self._tell = tell
        """Says that something is to be seen of a container."""
        self._said: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._checking: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def with_mark(self, seen: Seen) -> Seen:
        """What its check says, of one that has one and runs."""
        record = self._records.read(seen.id)
        if record is None or record.spec.health is None or seen.power != "running":
            return seen
        return msgspec.structs.replace(seen, marks=seen.marks | {"health": self._said.get(seen.id, "starting")})

    def forget(self, id: str) -> None:
        """It begins anew, or is gone."""
        for known in (self._said, self._failures, self._due):
            known.pop(id, None)

    def begin(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def close(self) -> None:
        for task in (self._looking, *self._checking.values()):
            if task is not None:
                task.cancel()
        self._looking = None
        self._checking.clear()

    async def _look(self) -> None:
        while True:
            for id in self._records.ids():
                record = self._records.read(id)
                if record is not None and record.spec.health is not None and record.started and not record.stopping:
                    self._look_at(id, record.spec.health)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look_at(self, id: str, check: HealthCheck) -> None:
        loop = asyncio.get_running_loop()
        if id in self._checking or self._due.setdefault(id, loop.time() + check.every_s) > loop.time():
            return
        self._due[id] = loop.time() + check.every_s
        task = self._checking[id] = loop.create_task(self._check(id, check))
        task.add_done_callback(lambda _: self._checking.pop(id, None))

    async def _check(self, id: str, check: HealthCheck) -> None:
        words = ("/bin/sh", "-c", check.command)
        try:
            async with self._turns:
                well = (await self._execute(id, words, min(float(check.within_s), _LONGEST_S))).exit_code == 0
        except DriverError as error:
            _logger.info("The health of container %s could not be checked: %s", id, error.why)
            well = False
        self._failures[id] = 0 if well else self._failures.get(id, 0) + 1
        before = self._said.get(id, "starting")
        if well:
            self._said[id] = "healthy"
        elif self._failures[id] >= check.failures:
            self._said[id] = "unhealthy"
        if self._said.get(id, before) != before:
            self._tell(id)
