"""The agent: looks after the servers of its hosts.

Hints come from the log (or over the wire) and from the engines; a sweep every minute is the promise. What is done
with one server, one engine or one question stops no other. An engine that does not answer at all keeps only its own
kind waiting.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from trivet.agent.engines import Engines
from trivet.agent.link import Link
from trivet.agent.metadata import MetadataService
from trivet.agent.server_orders import ServerOrders
from trivet.agent.sweep import Sweep
from trivet.agent.trouble import went_well
from trivet.clock import Clock, pause_s
from trivet.drivers.contracts.machine import MachineDriver

_SWEEP_EVERY_S = 60.0
_HEARTBEAT_EVERY_S = 10.0
_WATCHED_WELL_S = 30.0


class Agent:
    """The agent of one real host, or of all simulated ones."""

    def __init__(self, hosts: dict[str, Engines], link: Link, clock: Clock, metadata: MetadataService | None) -> None:
        self._hosts = hosts
        self._link = link
        self._clock = clock
        self._metadata = metadata
        self._orders_due = ServerOrders(hosts, link, clock, metadata)
        self._sweep = Sweep(hosts, link, self._orders_due, metadata)
        self._missed = asyncio.Event()

    def hint(self, servers: Mapping[str, int]) -> None:
        """Something about these servers may have changed: id -> revision heard of (0: look in any case)."""
        self._orders_due.hint(servers)

    async def look_again(self) -> None:
        """Hints may have been missed: a sweep, soon."""
        self._missed.set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeat())
                group.create_task(self._orders_due.run())
                group.create_task(self._sweep_now_and_then())
                group.create_task(self._watch_all(group))
        finally:
            # Who lost the hosts must not go on with them.
            await self._orders_due.drop()
            if self._metadata is not None:
                # An address has one listener: who has the hosts next, perhaps this process again, needs it.
                await self._metadata.close()

    async def sweep(self) -> bool:
        return await went_well("The sweep was cut short", self._sweep.once())

    async def _heartbeat(self) -> None:
        while True:
            await went_well("Heartbeat", self._link.heartbeat(self._hosts))
            await self._clock.sleep(_HEARTBEAT_EVERY_S)

    async def _watch_all(self, group: asyncio.TaskGroup) -> None:
        """Hosts may come while it runs."""
        watched: set[int] = set()
        while True:
            drivers = {id(d): d for engines in self._hosts.values() for d in engines.machines.values()}
            for number in drivers.keys() - watched:
                group.create_task(self._watch(drivers[number]))
            watched |= drivers.keys()
            await self._clock.sleep(_HEARTBEAT_EVERY_S)

    async def _watch(self, driver: MachineDriver) -> None:
        """A watch may end or fail; what it missed is the sweep's."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            await went_well("Watching an engine", self._hear(driver.watch()))
            failures = failures + 1 if self._clock.monotonic() - began < _WATCHED_WELL_S else 1
            await self._clock.sleep(pause_s(failures))

    async def _hear(self, changes: AsyncIterator[str]) -> None:
        async for id in changes:
            self.hint({id: 0})

    async def _sweep_now_and_then(self) -> None:
        failures = 0
        while True:
            self._missed.clear()
            failures = 0 if await self.sweep() else failures + 1
            if failures:
                await self._clock.sleep(pause_s(failures))
            else:
                await self._missed_or(_SWEEP_EVERY_S)

    async def _missed_or(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._missed.wait()
