"""Which backups are made, restored and removed when: beside the volumes' own steps, since a copy may take hours."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from trivet.controllers.pauses import Pauses
from trivet.controllers.volumes import rows
from trivet.controllers.volumes.backup_copies import BackupCopies
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import TrivetError
from trivet.parts import Parts

_AT_ONCE = 4
_OF_ONE_PROJECT = 2
"""A copy may take hours: two projects that copy all they have leave nobody else waiting behind one of them."""
_TRIES_MAX = 8
_logger = logging.getLogger(__name__)


class BackupWork:
    """Of one back end, for as long as its volume controller runs."""

    def __init__(self, parts: Parts, copies: BackupCopies, backend_id: str, ended: Callable[[], None]) -> None:
        self._store = parts.store
        self._copies = copies
        self._backend_id = backend_id
        self._ended = ended
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._tries: dict[str, int] = {}
        self._pauses = Pauses(parts.clock)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return list(self._busy.values())

    async def start(self) -> bool:
        """Begin with what waits; whether anything was begun."""
        self._busy = {id: task for id, task in self._busy.items() if not task.done()}
        async with self._store.read() as tx:
            waiting = await rows.due_backups(tx, self._backend_id)
        self._pauses.forget_all_but(waiting)
        self._tries = {id: tries for id, tries in self._tries.items() if id in waiting}
        begun = False
        held = Counter(waiting.get(id, "") for id in self._busy)
        for id, project_id in waiting.items():
            if len(self._busy) >= _AT_ONCE:
                break
            if id not in self._busy and self._pauses.over(id) and held[project_id] < _OF_ONE_PROJECT:
                begun = True
                held[project_id] += 1
                self._busy[id] = asyncio.create_task(self._one(id), name=f"backup {id}")
        return begun

    async def _one(self, id: str) -> None:
        try:
            await foreseen(f"backup {id}", self._copies.one(id), TrivetError)
        except DriverError as error:
            await self._failed(id, error)
        except TrivetError as error:
            _logger.warning("Backup %s is left for later: %s", id, error)
            self._pauses.begin(id)
        self._ended()

    async def _failed(self, id: str, error: DriverError) -> None:
        tries = self._tries[id] = self._tries.get(id, 0) + 1
        self._pauses.begin(id)
        if error.again and tries < _TRIES_MAX:
            _logger.info("Backup %s: %s It is tried again.", id, error.why)
            return
        try:
            await foreseen(f"backup {id}", self._copies.give_up(id, error.why), TrivetError)
        except (DriverError, TrivetError) as second:
            _logger.warning("Backup %s is left for later: %s", id, second)
