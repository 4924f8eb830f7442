"""Console reads: questions about the output of consoles, answered by the process that has the host's engines."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine

from trivet.domain.servers import console_output
from trivet.domain.servers.console_output import CONSOLE_READS, ConsoleRead
from trivet.domain.servers.words import Kind, wait_s
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.machine import MachineDriver, answered
from trivet.errors import TrivetError
from trivet.store.leases import Lease, fence
from trivet.store.log import Event
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_logger = logging.getLogger(__name__)

Finder = Callable[[str, Kind], MachineDriver | None]
"""(host, kind) -> the driver of this process that runs it."""


class ConsoleReads:
    def __init__(self, store: Store, host_ids: Collection[str], find: Finder, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._host_ids = host_ids
        self._find = find
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering: set[str] = set()
        """Reads that are being answered: however often somebody looks, each is answered once."""

    async def on_events(self, events: list[Event]) -> None:
        asked = any(
            e.noun == CONSOLE_READS.name and e.verb == "created" and e.host_id in self._host_ids for e in events
        )
        if asked:
            await self.on_resync()

    async def on_resync(self) -> None:
        """Answering takes an engine's time, so it is done beside the reading of the log."""
        self._spawn("console reads", self._look())

    def _spawn(self, what: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._bounded(what, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bounded(self, what: str, work: Coroutine[None, None, None]) -> None:
        """A client waits for its answer for seconds only, so a read that fails is not tried again."""
        try:
            await foreseen(what, work, TrivetError)
        except (DriverError, TrivetError) as error:
            _logger.warning("%s: asked for, and could not be told: %s", what, error)

    async def _look(self) -> None:
        async with self._store.read() as tx:
            waiting = await console_output.waiting(tx, self._host_ids)
        for read in waiting:
            if read.id not in self._answering:
                self._answering.add(read.id)
                self._spawn(f"console of server {read.server_id}", self._answer(read))

    async def _answer(self, read: ConsoleRead) -> None:
        try:
            await self._tell(read)
        finally:
            self._answering.discard(read.id)

    async def _tell(self, read: ConsoleRead) -> None:
        driver = self._find(read.host_id, read.kind)
        output: bytes | None = None
        error: str | None = None
        try:
            if driver is None:
                raise DriverError(f"this host cannot run a {read.kind}", again=False)
            reading = answered(driver, read.server_id, read.question, read.limit_bytes)
            async with asyncio.timeout(wait_s(read.question)):
                output = await foreseen(f"console of server {read.server_id}", reading)
        except DriverError as refusal:
            error = refusal.why
        except TimeoutError:
            error = "the engine does not answer"

        async def tell(tx: Tx) -> None:
            # Who has the host by now knows better.
            await fence(tx, self._lease)
            await console_output.answer(tx, read.id, output=output, error=error)

        await transact(self._store, tell)
