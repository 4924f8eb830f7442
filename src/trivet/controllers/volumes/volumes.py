"""The volume controller: makes one back end equal to its rows, and the rows say what came of it.

Events only say that it is worth looking; what is done is always the next step from what the rows say now, one volume
at a time. So a step may be done twice, late, or after a crash. What it says of the rows counts only while its lease is
its own: each of its transactions is fenced.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from trivet.controllers.pauses import Pauses
from trivet.controllers.volumes import rows
from trivet.controllers.volumes.backup_copies import BackupCopies
from trivet.controllers.volumes.backups import BackupWork
from trivet.controllers.volumes.steps import Steps
from trivet.domain.volumes import attachments, backends, encryption, messages
from trivet.domain.volumes.backends import Backend
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.volume import Encrypting, VolumeDriver
from trivet.errors import TrivetError
from trivet.parts import Parts
from trivet.store.leases import Lease, Lost, fence
from trivet.store.log import Event
from trivet.store.store import transact
from trivet.store.tx import Tx

_AT_ONCE = 8
_LOOK_EVERY_S = 5.0
_SWEEP_EVERY_S = 60.0
_HEARTBEAT_EVERY_S = 10.0
_TRIES_MAX = 8
"""Of what may pass; some two minutes together."""
_NOUNS = frozenset(
    (
        "volumes",
        "deleted_volumes",
        "volume_snapshots",
        "volume_attachments",
        "volume_backups",
        "volume_qos",
        "volume_types",
    )
)
_LIMITING = frozenset(("volume_qos", "volume_types"))
_logger = logging.getLogger(__name__)
T = TypeVar("T")


class VolumeController:
    """Of one lease: whoever has the duty next begins with another."""

    def __init__(self, parts: Parts, driver: VolumeDriver, lease: Lease, backend: Backend) -> None:
        self._parts = parts
        self._store = parts.store
        self._driver = driver
        self._lease = lease
        self._backend = backend
        self._steps = Steps(parts, driver, self._transact, self._fence)
        self._work = asyncio.Event()
        copies = BackupCopies(parts, driver, self._transact, self._fence)
        self._backups = BackupWork(parts, copies, backend.id, self._work.set)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._serve_again: set[str] = set()
        self._tries: dict[str, int] = {}
        self._pauses = Pauses(parts.clock)

    async def run(self) -> None:
        await self._register()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look())
                group.create_task(self._hear())
                group.create_task(self._now_and_then(_SWEEP_EVERY_S, "sweeping volumes", self.sweep))
                group.create_task(self._now_and_then(_HEARTBEAT_EVERY_S, "heartbeat of volumes", self._heartbeat))
        finally:
            busy = [*self._busy.values(), *self._backups.tasks]
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)

    async def on_events(self, events: list[Event]) -> None:
        nouns = {event.noun for event in events}
        if nouns & _LIMITING:
            await self.on_resync()
        elif nouns & _NOUNS:
            self._work.set()

    async def on_resync(self) -> None:
        """Too much was missed, or what all may do has changed: everything that is served is served again."""
        async with self._store.read() as tx:
            self._serve_again |= await rows.served(tx, self._backend.id)
        self._work.set()

    async def settle(self) -> None:
        """All that can be done now is done (for tests and commands)."""
        while await self.start() or self._busy or self._backups.tasks:
            await asyncio.gather(*self._busy.values(), *self._backups.tasks)

    # -- loops

    async def _look(self) -> None:
        while True:
            await self.start()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._work.wait()
            self._work.clear()

    async def _hear(self) -> None:
        async for id in self._driver.watch():
            self._serve_again.add(id)
            self._work.set()

    async def _now_and_then(self, every_s: float, what: str, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await foreseen(what, act(), TrivetError)
            except Lost:
                raise
            except (DriverError, TrivetError) as error:
                _logger.warning("%s: %s", what, error)
            await self._store.clock.sleep(every_s)

    async def _register(self) -> None:
        room = await self._driver.room()
        now = self._store.clock.now()
        changed: dict[str, Any] = {"total_gib": room.total_gib, "free_gib": room.free_gib, "seen_at": now}
        if isinstance(self._driver, Encrypting):
            changed["abilities"] = (*self._backend.abilities, encryption.ABILITY)
        await self._transact(lambda tx: backends.register(tx, rows.with_facts(self._backend, changed)))

    async def _heartbeat(self) -> None:
        room = await self._driver.room()
        await self._transact(lambda tx: backends.heard(tx, self._backend.id, room.free_gib, room.total_gib))

    async def sweep(self) -> None:
        """The back end first, the rows second: what is here and in no row is a stray. What is not served is told."""
        seen = await self._driver.observe()
        async with self._store.read() as tx:
            known = await rows.known(tx, seen)
            self._serve_again |= await rows.served(tx, self._backend.id) & {
                id for id, volume in seen.items() if not volume.served
            }
        for id in seen.keys() - known:
            _logger.info("Removing stray volume %s", id)
            await self._driver.remove(id)
        await self._steps.remove_stray_snapshots()
        await self._transact(messages.forget_old)
        self._work.set()

    # -- work

    async def start(self) -> bool:
        """Begin with what waits; whether anything was begun."""
        self._busy = {id: task for id, task in self._busy.items() if not task.done()}
        await self._give_up_late()
        async with self._store.read() as tx:
            due = await rows.due(tx, self._backend.id)
        waiting = due | self._serve_again
        self._pauses.forget_all_but(waiting)
        self._tries = {id: tries for id, tries in self._tries.items() if id in waiting}
        begun = await self._backups.start()
        for id in sorted(waiting):
            if len(self._busy) >= _AT_ONCE:
                break
            if id not in self._busy and self._pauses.over(id):
                begun = True
                self._busy[id] = asyncio.create_task(self._one(id), name=f"volume {id}")
        return begun

    async def _give_up_late(self) -> None:
        async with self._store.read() as tx:
            late = await rows.late(tx)
        for id in late:
            await self._transact(lambda tx, id=id: _give_up(tx, id))  # type: ignore[misc]

    async def _one(self, id: str) -> None:
        again = id in self._serve_again
        self._serve_again.discard(id)
        try:
            await foreseen(f"volume {id}", self._steps.all_of(id, serve=again), TrivetError)
            self._tries.pop(id, None)
        except DriverError as error:
            await self._failed(id, error, serve=again)
        except TrivetError as error:
            _logger.warning("Volume %s is left for later: %s", id, error)
            self._leave(id, serve=again)
        self._work.set()

    async def _failed(self, id: str, error: DriverError, *, serve: bool) -> None:
        tries = self._tries[id] = self._tries.get(id, 0) + 1
        if error.again and tries < _TRIES_MAX:
            _logger.info("Volume %s: %s It is tried again.", id, error.why)
            self._leave(id, serve=serve)
            return
        try:
            await foreseen(f"volume {id}", self._steps.give_up(id, error.why), TrivetError)
            self._tries.pop(id, None)
        except (DriverError, TrivetError) as second:
            _logger.warning("Volume %s is left for later: %s", id, second)
        self._leave(id, serve=serve)

    def _leave(self, id: str, *, serve: bool) -> None:
        self._pauses.begin(id)
        if serve:
            self._serve_again.add(id)

    async def _transact(self, act: Callable[[Tx], Awaitable[T]]) -> T:
        async def fenced(tx: Tx) -> T:
            await self._fence(tx)
            return await act(tx)

        return await transact(self._store, fenced)

    async def _fence(self, tx: Tx) -> None:
        await fence(tx, self._lease)


async def _give_up(tx: Tx, attachment_id: str) -> None:
    attachment = await tx.get(attachments.ATTACHMENTS, attachment_id)
    if attachment is not None and attachment.deadline_at is not None and attachment.deadline_at < tx.clock.now():
        await attachments.give_up(tx, attachment)
