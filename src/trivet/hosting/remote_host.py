"""A host's half in a process of its own: no database, only the API's address and the host's credential.

The agent inside is made once and outlives its sessions: when the API was away for long, or another agent had
the host meanwhile, it registers again and goes on with what it was doing.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path

from trivet.agent.agent import Agent
from trivet.agent.console_answers import answer_all
from trivet.agent.engines import Engines
from trivet.agent.http_link import HttpLink
from trivet.clock import Clock, pause_s
from trivet.domain.host_link.words import Changes, Facts, Registered
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.errors import Conflict, Invalid, TrivetError
from trivet.hosting.simulated import SIM_DISK_GIB, SIM_KINDS, SIM_MEMORY_MIB, SIM_VCPUS, recall
from trivet.ids import Ids

_AGAIN_FIRST_S = 0.5
_AGAIN_MOST_S = 15.0
"""Also what `ASKED_AGAIN_S` relies on, where another agent has the host."""
_logger = logging.getLogger(__name__)


class _Over(Exception):
    """The session has ended."""


class RemoteHost:
    """One simulated host and its agent."""

    def __init__(self, link: HttpLink, clock: Clock, holder: str, ready: Callable[[str], None]) -> None:
        self._link = link
        self._clock = clock
        self._ready = ready
        self._machines = SimMachines(clock, Temper())
        self._wires = SimWires(SimNetwork())
        self._engines = Engines({kind: self._machines for kind in SIM_KINDS}, self._wires)
        self._facts = Facts(
            holder=holder,
            kinds=SIM_KINDS,
            vcpus=SIM_VCPUS,
            memory_mib=SIM_MEMORY_MIB,
            disk_gib=SIM_DISK_GIB,
            hypervisor_type="sim",
        )
        self._agent: Agent | None = None

    async def run(self) -> None:
        """Until it is cancelled. A credential that is refused at the very start is the operator's to mend."""
        failures = 0
        while True:
            try:
                agent = await foreseen("Registering", self._registered(), TrivetError)
                failures = 0
                await foreseen("The session", self._session(agent), TrivetError)
            except (TrivetError, DriverError) as error:
                if self._agent is None and isinstance(error, TrivetError) and error.http_status == 401:
                    raise
                failures += 1
                _logger.warning("Not in touch with the API: %s", error)
            await self._clock.sleep(_pause(failures))

    async def _registered(self) -> Agent:
        registered = await self._link.register(self._facts)
        return self._agent or await self._first(registered)

    async def _first(self, registered: Registered) -> Agent:
        orders = (await self._link.orders([registered.host_id])).orders
        recall(orders, {registered.host_id: self._machines}, {registered.host_id: self._wires})
        self._agent = Agent({registered.host_id: self._engines}, self._link, self._clock, None)
        self._ready(registered.host)
        return self._agent

    async def _session(self, agent: Agent) -> None:
        """Work until the API says that this session is over."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(agent.run())
                group.create_task(self._follow(agent))
                group.create_task(self._until_over())
        except* _Over:
            _logger.warning("The session is over: registering again")

    async def _until_over(self) -> None:
        await self._link.over.wait()
        raise _Over

    async def _follow(self, agent: Agent) -> None:
        """Hear of what changes, and look at everything after a silence in which something may have been missed."""
        position: int | None = None
        failures = 0
        while True:
            try:
                found = await self._link.changes(position)
            except TrivetError as error:
                failures += 1
                _logger.warning("Nothing is heard from the API: %s", error)
                await self._clock.sleep(_pause(failures))
                continue
            if failures or found.resync or position is None:
                await agent.look_again()
            failures, position = 0, found.position
            await self._tell(agent, found)

    async def _tell(self, agent: Agent, found: Changes) -> None:
        agent.hint(found.servers)
        if found.console_reads:
            await answer_all(self._engines, self._link.console_questions, self._link.answer_console)


def _pause(failures: int) -> float:
    return pause_s(failures + 1, first_s=_AGAIN_FIRST_S, most_s=_AGAIN_MOST_S)


def holder_of(data: Path, ids: Ids) -> tuple[str, int]:
    """Who this agent is, the same after a restart, and the lock that keeps a second one out of its directory."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(data / "agent", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Conflict("agent.running", f"An agent already runs in {data}.") from error
    known = os.read(lock, 64).decode("ascii", "replace").strip()
    if not known:
        known = ids.hex()
        os.write(lock, known.encode())
        os.fsync(lock)
    return known, lock


def read_secret(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise Invalid("agent.secret", f"The credential's secret cannot be read: {error.strerror} ({path}).") from error
    if not secret or not secret.isascii() or any(letter.isspace() for letter in secret):
        raise Invalid("agent.secret", f"{path} does not hold the secret of a host credential.")
    return secret
