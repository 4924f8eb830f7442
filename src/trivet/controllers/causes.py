"""Causes: what happens anywhere is looked at together with what it stands on, and the fault beneath is told.

The log wakes it, and it looks at no more than the neighbourhood of what the log names (domain/causes). A moment is
waited first: what one fault does is seen by many within a second.
"""

import asyncio
import logging

from trivet.controllers import chores
from trivet.domain.alarms.alarms import ALARMS
from trivet.domain.causes import conclusions, fault_reports, root_causes, starting
from trivet.domain.causes.components import COMPONENT_STATES
from trivet.domain.causes.fault_reports import FAULT_REPORTS, OF_CAUSE
from trivet.domain.causes.links import TOPOLOGY_LINKS
from trivet.domain.causes.neighbourhood import News
from trivet.domain.health.probes import HOST_PROBES
from trivet.parts import Parts
from trivet.store.leases import Lease, fence
from trivet.store.log import Event
from trivet.store.store import transact
from trivet.store.tx import Tx

_GATHER_S = 1.0
_AT_ONCE = 200
"""Reports, hosts or components that are looked at together."""
_ENDED_AT_ONCE = 200
_logger = logging.getLogger(__name__)


class CauseController:
    def __init__(self, parts: Parts, lease: Lease) -> None:
        self._store = parts.store
        self._clock = parts.clock
        self._lease = lease
        self._news = News()
        self._alarms: set[str] = set()
        self._all = True
        self._something = asyncio.Event()

    async def on_events(self, events: list[Event]) -> None:
        for event in events:
            if event.noun == FAULT_REPORTS.name and event.detail != OF_CAUSE:
                self._news.reports.add(event.id)
            elif event.noun == HOST_PROBES.name and event.host_id is not None:
                self._news.hosts.add(event.host_id)
            elif event.noun == COMPONENT_STATES.name and event.detail is not None:
                self._news.components.add(event.detail)
            elif event.noun == ALARMS.name and event.verb == "updated":
                self._alarms.add(event.id)
            elif event.noun == TOPOLOGY_LINKS.name:
                self._all = True
        if self._news or self._alarms or self._all:
            self._something.set()

    async def on_resync(self) -> None:
        self._all = True
        self._something.set()

    async def run(self) -> None:
        jobs: dict[str, chores.Job] = {
            "ending old fault reports": lambda tx: fault_reports.expire(tx, _ENDED_AT_ONCE),
            "dropping old fault reports": lambda tx: fault_reports.drop_old(tx, _ENDED_AT_ONCE),
            "dropping old root causes": lambda tx: root_causes.drop_old(tx, _ENDED_AT_ONCE),
        }
        async with asyncio.TaskGroup() as group:
            group.create_task(chores.do_all(self._store, self._lease, jobs))
            while True:
                self._something.clear()
                if not await self.step():
                    await self._something.wait()
                    await self._clock.sleep(_GATHER_S)

    async def step(self) -> bool:
        """Looks at some of the news; whether there were any."""
        async with self._store.read() as tx:
            news = await self._taken(tx)
            if not news:
                return False
            settled = await conclusions.conclude(tx, news)

        async def act(tx: Tx) -> None:
            await fence(tx, self._lease)
            await root_causes.settle(tx, settled)

        await transact(self._store, act)
        for one in settled.found:
            _logger.info("Root cause: %s (%.0f %%)", one.component, 100 * one.confidence)
        return True

    async def _taken(self, tx: Tx) -> News:
        if self._all:
            self._all = False
            self._news = await starting.all_open(tx)
        alarms, self._alarms = self._alarms, set()
        if alarms:
            self._news.components |= await root_causes.cleared_by_hand(tx, alarms)
        return News(*(_some(rest) for rest in (self._news.components, self._news.reports, self._news.hosts)))


def _some(rest: set[str]) -> set[str]:
    taken = set(sorted(rest)[:_AT_ONCE])
    rest -= taken
    return taken
