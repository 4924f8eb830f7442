"""The agent: looks after the servers of its hosts.

Hints come from the log (or over the wire); a sweep every minute is the promise. The sweep looks at the
host first and at the records second: what stood on the host before the records were read, and is in no
record, is a stray and goes. What is done with one server, one engine or one question goes through `foreseen`,
so that none of them stops the others. An engine that does not answer at all keeps only its own kind waiting.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Collection, Coroutine, Mapping
from contextlib import suppress

from trivet.agent.engines import Engines
from trivet.agent.following import clear, follow
from trivet.agent.link import Link
from trivet.agent.metadata import MetadataService
from trivet.clock import Clock
from trivet.domain.orders import Order, Report
from trivet.domain.servers import Kind
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.machine import MachineDriver, Seen
from trivet.drivers.contracts.patience import Unanswered
from trivet.errors import TrivetError

_AT_ONCE = 16
"""Of one kind."""
_SWEEP_EVERY_S = 60.0
_HEARTBEAT_EVERY_S = 10.0
_AGAIN_FIRST_S = 1.0
_AGAIN_MOST_S = 30.0
_BUG = "internal"
"""What an API calls an error that nobody foresaw there."""
_logger = logging.getLogger(__name__)

Place = tuple[str, str]
"""(host, server or port)"""


async def went_well(what: str, act: Awaitable[object]) -> bool:
    """What may fail without consequence for anything else."""
    return await _trouble(what, act) is None


async def _trouble(what: str, act: Awaitable[object]) -> Exception | None:
    try:
        await foreseen(what, act, TrivetError)
    except (DriverError, TrivetError) as error:
        _logger.warning("%s: %s", what, error)
        return error
    return None


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
        self._waiting: set[str] = set()
        """Servers that are tried again after a pause: no more than one pause each, however they were hinted at."""
        self._reported: dict[str, int] = {}
        """Revisions that our own reports made: hearing of those is no news."""
        self._work = asyncio.Event()
        self._turns: dict[Kind, asyncio.Semaphore] = {}
        self._missed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def hint(self, servers: Mapping[str, int]) -> None:
        """Something about these servers may have changed: id -> revision heard of (0: look in any case)."""
        news = {id for id, revision in servers.items() if not revision or revision > self._reported.get(id, 0)}
        if news:
            self._hinted |= news
            self._work.set()

    async def look_again(self) -> None:
        """Hints may have been missed: a sweep, soon."""
        self._missed.set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeat())
                group.create_task(self._work_on_hints())
                group.create_task(self._sweep_now_and_then())
                drivers = {id(d): d for engines in self.hosts.values() for d in engines.machines.values()}
                for driver in drivers.values():
                    group.create_task(self._watch(driver))
        finally:
            # Who lost the hosts must not go on with them.
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            # One that was cancelled before its first step could not tidy up after itself.
            self._busy.clear()
            self._waiting.clear()
            if self._metadata is not None:
                # An address has one listener: who has the hosts next, perhaps this process again, needs it.
                await self._metadata.close()

    # -- hints

    async def _work_on_hints(self) -> None:
        failures = 0
        while True:
            await self._work.wait()
            self._work.clear()
            due = self._hinted - self._busy
            if not due:
                continue
            self._hinted -= due
            try:
                orders, unclear = await self._orders(due)
            except (TrivetError, DriverError) as error:
                _logger.warning("Orders cannot be read at the moment: %s", error)
                failures += 1
                self._hinted |= due
                await self._clock.sleep(_pause_s(failures))
                self._work.set()
                continue
            failures = 0
            for order in orders:
                self._busy.add(order.server_id)
                self._spawn(self._one(order))
            for id in unclear:
                self._try_later(id)
            for id in due - unclear.keys() - {order.server_id for order in orders}:
                # No server of these hosts any more.
                self._failures.pop(id, None)
                self._reported.pop(id, None)

    async def _orders(self, servers: Collection[str]) -> tuple[list[Order], dict[str, str | None]]:
        """Their orders, and those of which none can be made or read, with their host where that is known."""
        asked = sorted(servers)
        try:
            what = f"orders of {', '.join(asked[:3])}..."
            found = await foreseen(what, self._link.orders(self.hosts, asked), TrivetError)
            return found.orders, {**found.unclear}
        except (TrivetError, DriverError) as error:
            if not _is_bug(error):
                raise
        if len(asked) < 2:
            return [], dict.fromkeys(asked)
        orders, unclear = await self._orders(asked[: len(asked) // 2])
        others, also_unclear = await self._orders(asked[len(asked) // 2 :])
        return orders + others, unclear | also_unclear

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, order: Order) -> None:
        """Follow one order and tell of it."""
        id = order.server_id
        again = True
        try:
            async with self._turns.setdefault(order.kind, asyncio.Semaphore(_AT_ONCE)):
                again = await foreseen(f"server {id}", self._follow_and_report(order))
        except (TrivetError, DriverError) as error:
            _logger.warning("Server %s: an order could not be followed to its end (%s)", id, error)
        finally:
            self._busy.discard(id)
        if again:
            self._try_later(id)
        else:
            self._failures.pop(id, None)
        if id in self._hinted:
            self._work.set()

    async def _follow_and_report(self, order: Order) -> bool:
        """Whether it is to be tried again."""
        id = order.server_id
        report = await self._follow(order)
        taken = await self._link.report([report])
        self._reported |= taken
        if report.power is None:
            self._reported.pop(id, None)
        if id not in taken:
            await self._leave(order)
        return report.error is not None and report.again

    async def _follow(self, order: Order) -> Report:
        try:
            if order.want == "running":
                await self._serve_metadata(order)
        except DriverError as error:
            # A guest that boots meanwhile would never learn who it is.
            return Report(order.server_id, order.host_id, order.revision, error=error.why, again=True)
        return await follow(order, self.hosts[order.host_id], self._link)

    async def _leave(self, order: Order) -> None:
        """It is no server of this host any more (placed elsewhere, perhaps): what was begun goes at once."""
        try:
            await clear(order, self.hosts[order.host_id])
        except DriverError as error:
            _logger.warning("Server %s left something behind, for the sweep to remove: %s", order.server_id, error.why)

    async def _serve_metadata(self, order: Order) -> None:
        if self._metadata is not None:
            for wire in order.wires:
                await self._metadata.serve(wire.network_id, self.hosts[order.host_id].wires)

    def _try_later(self, id: str) -> None:
        if id not in self._waiting:
            self._waiting.add(id)
            self._spawn(self._later(id))

    async def _later(self, id: str) -> None:
        failures = self._failures[id] = self._failures.get(id, 0) + 1
        await self._clock.sleep(_pause_s(failures))
        self._waiting.discard(id)
        self.hint({id: 0})

    async def _watch(self, driver: MachineDriver) -> None:
        """A watch may end or fail; what it missed is the sweep's."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            await went_well("Watching an engine", self._hear(driver.watch()))
            failures = failures + 1 if self._clock.monotonic() - began < _AGAIN_MOST_S else 1
            await self._clock.sleep(_pause_s(failures))

    async def _hear(self, changes: AsyncIterator[str]) -> None:
        async for id in changes:
            self.hint({id: 0})

    # -- heartbeat and sweep

    async def _heartbeat(self) -> None:
        while True:
            await went_well("Heartbeat", self._link.heartbeat(self.hosts))
            await self._clock.sleep(_HEARTBEAT_EVERY_S)

    async def _sweep_now_and_then(self) -> None:
        failures = 0
        while True:
            self._missed.clear()
            failures = 0 if await self.sweep() else failures + 1
            if failures:
                await self._clock.sleep(_pause_s(failures))
            else:
                await self._missed_or(_SWEEP_EVERY_S)

    async def _missed_or(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._missed.wait()

    async def sweep(self) -> bool:
        """The host first, the records second. Of what does not answer nothing is concluded."""
        return await went_well("The sweep was cut short", self._sweep())

    async def _sweep(self) -> None:
        seen, silent = await self._look_around()
        plugs = await self._plugs()
        unclear: dict[str, str | None]
        try:
            told = await foreseen("orders of all servers", self._link.orders(self.hosts))
            found, unclear, whole = told.orders, {**told.unclear}, True
        except (TrivetError, DriverError) as error:
            if not _is_bug(error):
                raise
            whole = False
            found, unclear = await self._orders({id for _, id in seen})
        orders = {(order.host_id, order.server_id): order for order in found}
        self._hint_at_what_differs(orders, seen, silent)
        await self._serve_everybody(orders.values())
        for (host_id, id), (kind, _) in seen.items():
            if (host_id, id) in orders or id in self._busy or id in unclear or (host_id, kind) in silent:
                continue
            _logger.info("Removing stray machine %s from host %s", id, host_id)
            if await _hangs(f"Stray machine {id}", self.hosts[host_id].machines[kind].remove(id)):
                silent.add((host_id, kind))
        if whole:
            # What is plugged in for one of which nothing is known cannot be told from a stray.
            plugs -= {(host_id, port_id) for host_id, port_id in plugs if host_id in unclear.values()}
            await self._unplug_strays(plugs, list(orders.values()))
        if whole and not unclear:
            await self._leave_networks(orders.values())

    async def _serve_everybody(self, orders: Collection[Order]) -> None:
        """As far as the network's engine answers."""
        hanging: set[str] = set()
        for order in orders:
            if order.want == "gone" or order.host_id in hanging:
                continue
            if await _hangs(f"Metadata of server {order.server_id}", self._serve_metadata(order)):
                hanging.add(order.host_id)

    async def _look_around(self) -> tuple[dict[Place, tuple[Kind, Seen]], set[tuple[str, Kind]]]:
        """(what is on the hosts, engines that do not say)."""
        seen: dict[Place, tuple[Kind, Seen]] = {}
        silent: set[tuple[str, Kind]] = set()
        kinds = {kind: None for engines in self.hosts.values() for kind in engines.machines}
        for kind, found in zip(kinds, await asyncio.gather(*map(self._look_for, kinds)), strict=True):
            for host_id, there in found.items():
                if there is None:
                    silent.add((host_id, kind))
                else:
                    seen |= {(host_id, id): (kind, machine) for id, machine in there.items()}
        return seen, silent

    async def _look_for(self, kind: Kind) -> dict[str, dict[str, Seen] | None]:
        """By host; None: its engine does not say."""
        found: dict[str, dict[str, Seen] | None] = {}
        for host_id, engines in self.hosts.items():
            if kind in engines.machines:
                try:
                    found[host_id] = await foreseen(f"looking for every {kind}", engines.machines[kind].observe())
                except DriverError as error:
                    _logger.warning("It cannot be seen which %ss are here: %s", kind, error.why)
                    found[host_id] = None
        return found

    async def _plugs(self) -> set[Place]:
        found: set[Place] = set()
        for host_id, engines in self.hosts.items():
            try:
                ports = await foreseen("looking for plugs", engines.wires.plugged())
            except DriverError as error:
                _logger.warning("It cannot be seen what is plugged in here: %s", error.why)
                continue
            found |= {(host_id, port_id) for port_id in ports}
        return found

    def _hint_at_what_differs(
        self,
        orders: Mapping[Place, Order],
        seen: Mapping[Place, tuple[Kind, Seen]],
        silent: Collection[tuple[str, Kind]],
    ) -> None:
        for place, order in orders.items():
            unknown = order.settled and (order.host_id, order.kind) in silent
            # What failed has its own pause.
            if not unknown and not _holds(order, seen.get(place)) and order.server_id not in self._waiting:
                self.hint({order.server_id: 0})

    async def _unplug_strays(self, plugs: set[Place], orders: Collection[Order]) -> None:
        wires = {(order.host_id, wire.port_id) for order in orders for wire in order.wires}
        hanging: set[str] = set()
        for host_id, port_id in sorted(plugs - wires):
            if host_id in hanging:
                continue
            _logger.info("Unplugging stray wire %s from host %s", port_id, host_id)
            if await _hangs(f"Stray wire {port_id}", self.hosts[host_id].wires.unplug(port_id)):
                hanging.add(host_id)

    async def _leave_networks(self, orders: Collection[Order]) -> None:
        """Nobody asks for metadata where no server is any more."""
        wanted = {wire.network_id for order in orders for wire in order.wires}
        if self._metadata is not None:
            for network_id in self._metadata.networks - wanted:
                for engines in self.hosts.values():
                    leaving = self._metadata.leave(network_id, engines.wires)
                    await went_well(f"Metadata on network {network_id}", leaving)


async def _hangs(what: str, act: Awaitable[object]) -> bool:
    """Whether its engine does not answer: then it is not asked about everything else in turn."""
    return isinstance(await _trouble(what, act), Unanswered)


def _is_bug(error: Exception) -> bool:
    """Not trouble that everybody has, such as an API that is away: it is in what was asked."""
    return isinstance(error, DriverError) or (isinstance(error, TrivetError) and error.code == _BUG)


def _pause_s(failures: int) -> float:
    return min(_AGAIN_FIRST_S * 2.0 ** min(failures - 1, 10), _AGAIN_MOST_S)


def _holds(order: Order, found: tuple[Kind, Seen] | None) -> bool:
    """Whether a settled order is still true on the host.

    What crashed may be plainly stopped by now, by a call that its engine carried out late: that is worth a report.
    """
    if not order.settled or order.crashed or found is None:
        return False
    machine = found[1]
    return machine.power == order.want and machine.marks.get("boots") == str(order.boots)
