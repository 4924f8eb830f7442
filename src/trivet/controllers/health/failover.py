"""Fail-over: what is dead is fenced, and only then what was on it is brought back, in this order whatever happens.

Each step begins from the rows, so another process goes on where this one died. A cut of power is asked of the BMC as
often as it takes, and counts when the BMC says that the power is off.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from trivet.controllers.pauses import Pauses
from trivet.domain.health import bmcs, failures, limits, telling
from trivet.domain.health.failures import HOST_FAILURES, HostFailure
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.recovery import bringing_back, notices, notifications, vmoves
from trivet.domain.recovery.policy import Wish
from trivet.domain.recovery.telling import tell_healed
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import Unforeseen, foreseen
from trivet.drivers.contracts.power import BmcAt, PowerDriver
from trivet.errors import Busy, TrivetError
from trivet.parts import Parts
from trivet.store.leases import Lease, Lost, fence
from trivet.store.store import transact
from trivet.store.tx import Tx

_LOOK_EVERY_S = 1.0
_AT_ONCE = 4
"""Servers that are brought back at once: each is a transaction, and the database is not only there for this."""
_logger = logging.getLogger(__name__)

Act = Callable[[Tx], Awaitable[None]]


class Failover:
    def __init__(self, parts: Parts, power: PowerDriver, lease: Lease) -> None:
        self._parts = parts
        self._store = parts.store
        self._power = power
        self._lease = lease
        self._soon = asyncio.Event()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._pauses = Pauses(parts.clock)

    def look_soon(self) -> None:
        self._soon.set()

    async def run(self) -> None:
        try:
            while True:
                await self.step()
                try:
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._soon.wait()
                except TimeoutError:
                    continue
                finally:
                    self._soon.clear()
        finally:
            for task in self._working.values():
                task.cancel()
            await asyncio.gather(*self._working.values(), return_exceptions=True)

    async def step(self) -> None:
        async with self._store.read() as tx:
            open = await failures.open_ones(tx)
            waiting = await notifications.waiting(tx)
        self._pauses.forget_all_but([failure.id for failure in open.values()])
        self._working = {id: task for id, task in self._working.items() if not task.done()}
        for failure in sorted(open.values(), key=lambda failure: failure.suspected_at):
            busy = failure.host_id in self._working or not self._pauses.over(failure.id)
            if failure.state in ("confirmed", "fenced") and not busy:
                self._working[failure.host_id] = asyncio.create_task(self._one(failure), name="fail-over")
        for notification in waiting:
            await self._try(f"notification {notification.id}", partial(_take_up, notification.id))
        await self._try("what is over", self._heal)

    async def settle(self) -> None:
        """Waits for what was begun."""
        await asyncio.gather(*self._working.values())

    async def _try(self, what: str, act: Act) -> None:
        async def fenced(tx: Tx) -> None:
            await fence(tx, self._lease)
            await act(tx)

        try:
            await foreseen(what, transact(self._store, fenced), Busy, Lost)
        except (Busy, Unforeseen) as error:
            _logger.warning("%s is left for later: %s", what.capitalize(), error)

    async def _heal(self, tx: Tx) -> None:
        await notices.settle(tx)
        await tell_healed(tx)

    async def _one(self, failure: HostFailure) -> None:
        try:
            await foreseen(f"fail-over of host {failure.host_id}", self._go_on(failure.id), TrivetError)
        except (TrivetError, DriverError) as error:
            _logger.warning("A fail-over was cut short: %s", error)
            self._pauses.begin(failure.id)

    async def _go_on(self, id: str) -> None:
        async with self._store.read() as tx:
            failure = await tx.get(HOST_FAILURES, id)
        if failure is not None and failure.state == "confirmed" and not await self._fenced(failure):
            self._pauses.begin(id)
            return
        async with self._store.read() as tx:
            failure = await tx.get(HOST_FAILURES, id)
        if failure is not None and failure.state == "fenced" and failure.ended_at is None:
            await self._bring_back(failure)

    # -- fencing

    async def _fenced(self, failure: HostFailure) -> bool:
        """Whether the power is off, by the BMC's own word."""
        async with self._store.read() as tx:
            found = await tx.get(HOST_FAILURES, failure.id)
            if found is None or found.state != "confirmed" or found.ended_at is not None:
                return False
            why = await self._why_not(tx, failure)
            known = await bmcs.all_of(tx, self._parts.secrets)
        at = known.get(failure.host_id)
        if why is None and at is None:
            why = (
                "The host has no BMC on record, so nobody can be sure that it is off: cut its power, then say so "
                "(forced_down) and evacuate its servers."
            )
        if why is None:
            why = await self._cut(cast("BmcAt", at))
        if why is not None:
            await self._try("a fail-over that is held up", lambda tx: self._hold_up(tx, failure.id, why))
            return False
        await self._write(lambda tx: self._note_fenced(tx, failure.id))
        return True

    async def _cut(self, at: BmcAt) -> str | None:
        try:
            await self._power.cut(at)
        except DriverError as error:
            return f"It could not be fenced: {error.why}"
        return None

    async def _why_not(self, tx: Tx, failure: HostFailure) -> str | None:
        rows = await tx.row("SELECT COUNT(*) FROM hosts")
        assert rows is not None
        open = (await failures.open_ones(tx)).values()
        dead = sum(1 for one in open if one.state == "confirmed")
        lately = await failures.fenced_since(tx, tx.clock.now() - limits.PERIOD_S)
        return limits.forbids(limits.Scene(int(rows[0]), dead, lately), self._parts.settings.fencing_most)

    async def _hold_up(self, tx: Tx, id: str, why: str) -> None:
        failure = await tx.get(HOST_FAILURES, id)
        if failure is None or failure.ended_at is not None or failure.state != "confirmed":
            return
        await failures.hold_up(tx, failure, why)
        host = await tx.get(HOSTS, failure.host_id)
        if host is not None:
            _logger.warning("The fail-over of host %s is held up: %s", host.name, why)
            await telling.tell_held(tx, host, why)

    async def _note_fenced(self, tx: Tx, id: str) -> None:
        failure = await tx.get(HOST_FAILURES, id)
        if failure is None or failure.state != "confirmed" or failure.ended_at is not None:
            return
        await failures.fenced(tx, failure, "Its BMC says that the power is off.")
        host = await tx.get(HOSTS, failure.host_id)
        if host is not None:
            _logger.warning("Host %s is fenced: its power is off", host.name)
            await telling.tell_released(tx, host)

    async def _write(self, act: Act) -> None:
        async def fenced(tx: Tx) -> None:
            await fence(tx, self._lease)
            await act(tx)

        await transact(self._store, fenced)

    # -- bringing back

    async def _bring_back(self, failure: HostFailure) -> None:
        async with self._store.read() as tx:
            source = await tx.need(HOSTS, failure.host_id, "host")
            spared = await bringing_back.spared(tx, source)
            servers = await bringing_back.waiting(tx, source.id) if spared is None else []
        moves = failure.id
        if spared is None:
            moves = await transact(self._store, lambda tx: self._begin(tx, failure, source))
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(server_id: str) -> bool:
            async with places:
                return await self._move(failure.id, source, server_id, moves)

        moved = sum(await asyncio.gather(*(one(server.id) for server in servers)))
        why = spared or f"{moved} of {len(servers)} servers were brought back elsewhere."

        async def end(tx: Tx) -> None:
            found = await tx.get(HOST_FAILURES, failure.id)
            if found is not None and found.ended_at is None and found.state == "fenced":
                await failures.recovered(tx, found, why)
            if spared is None:
                await notices.recovered(tx, source.name, why)

        await self._write(end)
        self.look_soon()

    async def _begin(self, tx: Tx, failure: HostFailure, source: Host) -> str:
        """The id under which the moves are kept."""
        await fence(tx, self._lease)
        await bringing_back.open_spares(tx, source)
        return await notices.begin(tx, source.name) or failure.id

    async def _move(self, failure_id: str, source: Host, server_id: str, moves: str) -> bool:
        default = cast("Wish", self._parts.settings.recovery)

        async def act(tx: Tx) -> str | None:
            await fence(tx, self._lease)
            failure = await tx.get(HOST_FAILURES, failure_id)
            if failure is None or failure.ended_at is not None:
                # It came back meanwhile, and what is on it still runs there.
                return None
            outcome = await bringing_back.bring_back(tx, server_id, source, default)
            if outcome is None:
                return None
            await vmoves.note(tx, moves, await notices.named(tx, server_id), source.name, outcome)
            return outcome.moved_to

        try:
            to = await foreseen(f"server {server_id}", transact(self._store, act), Lost)
        except (DriverError, TrivetError) as error:
            _logger.warning("Server %s was not brought back: %s", server_id, error)
            return False
        if to is not None:
            await self._write(lambda tx: bringing_back.took_in(tx, to))
        return to is not None


async def _take_up(id: str, tx: Tx) -> None:
    await notices.take_up(tx, id)
