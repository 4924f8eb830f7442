"""The agent: looks after the servers of its hosts.

Hints come from the log (or over the wire); a sweep every minute is the promise. The sweep looks at the
host first and at the records second: what stood on the host before the records were read, and is in no
record, is a stray and goes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping

from trivet.agent.engines import Engines
from trivet.agent.following import clear, follow
from trivet.agent.link import Link
from trivet.agent.metadata import MetadataService
from trivet.clock import Clock
from trivet.domain.orders import Order, Report
from trivet.domain.servers import Kind
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Seen
from trivet.errors import TrivetError

_AT_ONCE = 16
_SWEEP_EVERY_S = 60.0
_HEARTBEAT_EVERY_S = 10.0
_AGAIN_FIRST_S = 1.0
_AGAIN_MOST_S = 30.0
_logger = logging.getLogger(__name__)


class Agent:
    """Of one real host, or of all simulated ones."""

    def __init__(self, hosts: dict[str, Engines], link: Link, clock: Clock, metadata: MetadataService | None) -> None:
        self.hosts = hosts
        self._link = link
        self._clock = clock
        self._metadata = metadata
        self._hinted: set[str] = set()
        self._busy: set[str] = set()
        self._failures: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        """Revisions that our own reports made: hearing of those is no news."""
        self._work = asyncio.Event()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def hint(self, servers: Mapping[str, int]) -> None:
        """Something about these servers may have changed: id -> revision heard of (0: look in any case)."""
        news = {id for id, revision in servers.items() if not revision or revision > self._reported.get(id, 0)}
        if news:
            self._hinted |= news
            self._work.set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeat())
                group.create_task(self._work_on_hints())
                group.create_task(self._sweep_now_and_then())
                drivers = {id(d): d for engines in self.hosts.values() for d in engines.machines.values()}
                for driver in drivers.values():
                    group.create_task(self._watch(driver.watch()))
        finally:
            # Who lost the hosts must not go on with them.
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # -- hints

    async def _work_on_hints(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            due = self._hinted - self._busy
            if not due:
                continue
            self._hinted -= due
            try:
                orders = await self._link.orders(self.hosts, due)
            except TrivetError as error:
                _logger.warning("Orders cannot be read at the moment: %s", error)
                self._hinted |= due
                await self._clock.sleep(_AGAIN_FIRST_S)
                self._work.set()
                continue
            for order in orders:
                self._busy.add(order.server_id)
                self._spawn(self._one(order))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, order: Order) -> None:
        """Follow one order; the agent's boundary, where everything is caught and told."""
        id = order.server_id
        try:
            async with self._turns:
                report = await self._follow(order)
                taken = await self._link.report([report])
                self._reported |= taken
                if report.power is None:
                    self._reported.pop(id, None)
                if id not in taken:
                    await self._leave(order)
            again = report.error is not None and report.again
        except TrivetError as error:
            _logger.warning("Server %s: the report was not taken (%s)", id, error)
            again = True
        except Exception:
            _logger.exception("Server %s: an order could not be followed", id)
            again = True
        finally:
            self._busy.discard(id)
        if again:
            self._spawn(self._later(id))
        else:
            self._failures.pop(id, None)
        if id in self._hinted:
            self._work.set()

    async def _follow(self, order: Order) -> Report:
        await self._serve_metadata(order)
        return await follow(order, self.hosts[order.host_id], self._link)

    async def _leave(self, order: Order) -> None:
        """It is no server of this host any more (placed elsewhere, perhaps): what was begun goes at once."""
        try:
            await clear(order, self.hosts[order.host_id])
        except DriverError as error:
            _logger.warning("Server %s left something behind, for the sweep to remove: %s", order.server_id, error.why)

    async def _serve_metadata(self, order: Order) -> None:
        if self._metadata is not None and order.want != "gone":
            for wire in order.wires:
                await self._metadata.serve(wire.network_id, self.hosts[order.host_id].wires)

    async def _later(self, id: str) -> None:
        failures = self._failures[id] = self._failures.get(id, 0) + 1
        await self._clock.sleep(min(_AGAIN_FIRST_S * 2 ** (failures - 1), _AGAIN_MOST_S))
        self.hint({id: 0})

    async def _watch(self, changes: AsyncIterator[str]) -> None:
        async for id in changes:
            self.hint({id: 0})

    # -- heartbeat and sweep

    async def _heartbeat(self) -> None:
        while True:
            try:
                await self._link.heartbeat(self.hosts)
            except TrivetError as error:
                _logger.warning("No heartbeat: %s", error)
            await self._clock.sleep(_HEARTBEAT_EVERY_S)

    async def _sweep_now_and_then(self) -> None:
        while True:
            try:
                await self.sweep()
            except (TrivetError, DriverError) as error:
                _logger.warning("The sweep was cut short: %s", error)
            await self._clock.sleep(_SWEEP_EVERY_S)

    async def sweep(self) -> None:
        """The host first, the records second."""
        seen: dict[tuple[str, str], tuple[Kind, Seen]] = {}
        plugs: set[tuple[str, str]] = set()
        for host_id, engines in self.hosts.items():
            for kind, driver in engines.machines.items():
                seen |= {(host_id, id): (kind, machine) for id, machine in (await driver.observe()).items()}
            plugs |= {(host_id, port_id) for port_id in await engines.wires.plugged()}
        orders = {(order.host_id, order.server_id): order for order in await self._link.orders(self.hosts)}
        for order in orders.values():
            await self._serve_metadata(order)
        self.hint({place[1]: 0 for place, order in orders.items() if not _holds(order, seen.get(place))})
        for (host_id, id), (kind, _) in seen.items():
            if (host_id, id) not in orders and id not in self._busy:
                _logger.info("Removing stray machine %s from host %s", id, host_id)
                await self.hosts[host_id].machines[kind].remove(id)
        wires = {(order.host_id, wire.port_id) for order in orders.values() for wire in order.wires}
        for host_id, port_id in plugs - wires:
            _logger.info("Unplugging stray wire %s from host %s", port_id, host_id)
            await self.hosts[host_id].wires.unplug(port_id)
        await self._leave_networks({wire.network_id for order in orders.values() for wire in order.wires})

    async def _leave_networks(self, wanted: set[str]) -> None:
        """Nobody asks for metadata where no server is any more."""
        if self._metadata is not None:
            for network_id in self._metadata.networks - wanted:
                for engines in self.hosts.values():
                    await self._metadata.leave(network_id, engines.wires)


def _holds(order: Order, found: tuple[Kind, Seen] | None) -> bool:
    """Whether a settled order is still true on the host."""
    if not order.settled or found is None:
        return False
    machine = found[1]
    return machine.power == order.want and machine.marks.get("boots") == str(order.boots)
