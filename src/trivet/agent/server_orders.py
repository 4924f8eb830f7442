"""ServerOrders: what the agent does for one server at a time, as soon as it hears of it.

Each server has at most one order under way and at most one pause before the next, however often it is hinted at.
"""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping

from trivet.agent.engines import Engines
from trivet.agent.following import clear, follow
from trivet.agent.link import Link
from trivet.agent.metadata import MetadataService
from trivet.agent.trouble import is_bug
from trivet.clock import Clock, pause_s
from trivet.domain.servers.orders import Order, Report
from trivet.domain.servers.words import Kind
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import TrivetError

_AT_ONCE = 16
"""The most servers of one kind that are followed at the same time."""
_logger = logging.getLogger(__name__)


class ServerOrders:
    def __init__(self, hosts: dict[str, Engines], link: Link, clock: Clock, metadata: MetadataService | None) -> None:
        self._hosts = hosts
        self._link = link
        self._clock = clock
        self._metadata = metadata
        self._hinted: set[str] = set()
        self._busy: set[str] = set()
        self._waiting: set[str] = set()
        """Servers that are tried again after a pause."""
        self._failures: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        """Revisions that our own reports made: hearing of those is no news."""
        self._work = asyncio.Event()
        self._turns: dict[Kind, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def hint(self, servers: Mapping[str, int]) -> None:
        """Something about these servers may have changed: id -> revision heard of (0: look in any case)."""
        news = {id for id, revision in servers.items() if not revision or revision > self._reported.get(id, 0)}
        if news:
            self._hinted |= news
            self._work.set()

    def busy(self, id: str) -> bool:
        return id in self._busy

    def pausing(self, id: str) -> bool:
        return id in self._waiting

    async def run(self) -> None:
        failures = 0
        while True:
            await self._work.wait()
            self._work.clear()
            due = self._hinted - self._busy
            if not due:
                continue
            self._hinted -= due
            try:
                orders, unclear = await self.orders_of(due)
            except (TrivetError, DriverError) as error:
                _logger.warning("Orders cannot be read at the moment: %s", error)
                failures += 1
                self._hinted |= due
                await self._clock.sleep(pause_s(failures))
                self._work.set()
                continue
            failures = 0
            for id, group in by_server(orders).items():
                self._busy.add(id)
                self._spawn(self._one(id, group))
            for id in unclear:
                self._try_later(id)
            for id in due - unclear.keys() - {order.server_id for order in orders}:
                # No server of these hosts any more.
                self._failures.pop(id, None)
                self._reported.pop(id, None)

    async def drop(self) -> None:
        """Whatever is under way."""
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        # One that was cancelled before its first step could not tidy up after itself.
        self._busy.clear()
        self._waiting.clear()

    async def orders_of(self, servers: Collection[str]) -> tuple[list[Order], dict[str, str | None]]:
        """Their orders, and those of which none can be made or read, with their host where that is known."""
        asked = sorted(servers)
        try:
            what = f"orders of {', '.join(asked[:3])}..."
            found = await foreseen(what, self._link.orders(self._hosts, asked), TrivetError)
            return found.orders, {**found.unclear}
        except (TrivetError, DriverError) as error:
            if not is_bug(error):
                raise
        if len(asked) < 2:
            return [], dict.fromkeys(asked)
        orders, unclear = await self.orders_of(asked[: len(asked) // 2])
        others, also_unclear = await self.orders_of(asked[len(asked) // 2 :])
        return orders + others, unclear | also_unclear

    async def serve_metadata(self, order: Order) -> None:
        """Serves a server's metadata on its networks: a guest that boots without would never learn who it is."""
        if self._metadata is not None:
            for wire in order.wires:
                await self._metadata.serve(wire.network_id, self._hosts[order.host_id].wires)

    # -- one order

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, id: str, orders: list[Order]) -> None:
        """Follow what is to be done for one server, and tell of it."""
        again = False
        try:
            async with self._turns.setdefault(orders[0].kind, asyncio.Semaphore(_AT_ONCE)):
                for order in orders:
                    again = await self._bounded(order) or again
        finally:
            self._busy.discard(id)
        if again:
            self._try_later(id)
        if id in self._hinted:
            self._work.set()

    async def _bounded(self, order: Order) -> bool:
        """Whether it is to be tried again."""
        id = order.server_id
        try:
            return await foreseen(f"server {id}", self._follow_and_report(order), TrivetError)
        except (TrivetError, DriverError) as error:
            _logger.warning("Server %s: an order could not be followed to its end (%s)", id, error)
            return True

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
        if report.error is None:
            self._failures.pop(id, None)
        return report.error is not None and report.again

    async def _follow(self, order: Order) -> Report:
        try:
            if order.want == "running":
                await self.serve_metadata(order)
        except DriverError as error:
            return Report(order.server_id, order.host_id, order.revision, error=error.why, again=True)
        tries = self._failures.get(order.server_id, 0)
        return await follow(order, self._hosts[order.host_id], self._link, tries)

    async def _leave(self, order: Order) -> None:
        """It is no server of this host any more (placed elsewhere, perhaps): what was begun goes at once."""
        try:
            await clear(order, self._hosts[order.host_id])
        except DriverError as error:
            _logger.warning("Server %s left something behind, for the sweep to remove: %s", order.server_id, error.why)

    def _try_later(self, id: str) -> None:
        if id not in self._waiting:
            self._waiting.add(id)
            self._spawn(self._later(id))

    async def _later(self, id: str) -> None:
        failures = self._failures[id] = self._failures.get(id, 0) + 1
        await self._clock.sleep(pause_s(failures))
        self._waiting.discard(id)
        self.hint({id: 0})


def by_server(orders: list[Order]) -> dict[str, list[Order]]:
    """One that moves between two of our hosts has two orders, and what only keeps or removes comes first."""
    found: dict[str, list[Order]] = {}
    for order in sorted(orders, key=lambda order: not order.keeps and order.want != "gone"):
        found.setdefault(order.server_id, []).append(order)
    return found
