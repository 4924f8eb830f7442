"""Console reads: questions about the output of consoles, answered by the process that has the host's engines."""

import asyncio
from collections.abc import Callable, Collection

from trivet.domain import console_output
from trivet.domain.console_output import CONSOLE_READS, ConsoleRead
from trivet.domain.servers import Kind
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineDriver
from trivet.store.log import Event
from trivet.store.store import Store, transact

Finder = Callable[[str, Kind], MachineDriver | None]
"""(host, kind) -> the driver of this process that runs it."""


class ConsoleReads:
    def __init__(self, store: Store, host_ids: Collection[str], find: Finder) -> None:
        self._store = store
        self._host_ids = host_ids
        self._find = find
        self._tasks: set[asyncio.Task[None]] = set()

    async def on_events(self, events: list[Event]) -> None:
        asked = any(
            e.noun == CONSOLE_READS.name and e.verb == "created" and e.host_id in self._host_ids for e in events
        )
        if asked:
            await self.on_resync()

    async def on_resync(self) -> None:
        """Answering takes an engine's time, so it is done beside the reading of the log."""
        task = asyncio.get_running_loop().create_task(self.step())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def step(self) -> None:
        async with self._store.read() as tx:
            waiting = await console_output.waiting(tx, self._host_ids)
        for read in waiting:
            await self._answer(read)

    async def _answer(self, read: ConsoleRead) -> None:
        driver = self._find(read.host_id, read.kind)
        output: bytes | None = None
        error: str | None = None
        try:
            if driver is None:
                raise DriverError(f"this host cannot run a {read.kind}", again=False)
            output = await driver.console_log(read.server_id, read.limit_bytes)
        except DriverError as refusal:
            error = refusal.why
        await transact(self._store, lambda tx: console_output.answer(tx, read.id, output=output, error=error))
