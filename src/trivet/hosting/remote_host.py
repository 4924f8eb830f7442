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

from trivet.agent import device_places
from trivet.agent.agent import Agent
from trivet.agent.console_answers import answer_all
from trivet.agent.http_link import HttpLink
from trivet.agent.metadata import MetadataService
from trivet.clock import Clock, pause_s
from trivet.domain.host_link.words import Changes
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import Conflict, Invalid, TrivetError
from trivet.hosting.world import World
from trivet.ids import Ids

_TEND_EVERY_S = 5.0
_AGAIN_FIRST_S = 0.5
_AGAIN_MOST_S = 15.0
"""The longest pause between tries; `ASKED_AGAIN_S` relies on it, where another agent has the host."""
_logger = logging.getLogger(__name__)


class _Over(Exception):
    """The session has ended."""


class RemoteHost:
    """One host and its agent."""

    def __init__(self, link: HttpLink, clock: Clock, world: World, holder: str, ready: Callable[[str], None]) -> None:
        self._link = link
        self._clock = clock
        self._world = world
        self._holder = holder
        self._ready = ready
        self._agent: Agent | None = None
        self._answering: set[str] = set()
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Runs until it is cancelled. A credential that is refused at the very start ends it: an operator must mend
        that."""
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
        registered = await self._link.register(self._world.facts(self._holder))
        await self._world.enter(registered, self._link)
        if self._agent is None:
            hosts = {registered.host_id: self._world.engines}
            lookup = device_places.of_hosts(self._link.instance_at, hosts)
            metadata = MetadataService(lookup, self._link.keep_password)
            self._agent = Agent(hosts, self._link, self._clock, metadata if self._world.has_guests else None)
            self._ready(registered.host)
        return self._agent

    async def _session(self, agent: Agent) -> None:
        """Work until the API says that this session is over."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(agent.run())
                group.create_task(self._follow(agent))
                group.create_task(self._until_over())
                group.create_task(self._tend())
        except* _Over:
            _logger.warning("The session is over: registering again")

    async def _until_over(self) -> None:
        await self._link.over.wait()
        raise _Over

    async def _tend(self) -> None:
        """What died of the engines comes back."""
        while True:
            await self._clock.sleep(_TEND_EVERY_S)
            try:
                await foreseen("The care of the engines", self._world.tend())
            except DriverError as error:
                _logger.warning("The engines are not all well: %s", error.why)

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
            # A command in a container takes its time, and keeps nobody from hearing of what else changes.
            answers = answer_all(
                self._world.engines, self._link.console_questions, self._link.answer_console, self._answering
            )
            task = asyncio.get_running_loop().create_task(answers)
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)


def _pause(failures: int) -> float:
    return pause_s(failures + 1, first_s=_AGAIN_FIRST_S, most_s=_AGAIN_MOST_S)


def holder_of(data: Path, ids: Ids) -> tuple[str, int]:
    """The agent's id, the same after a restart, and the lock that keeps a second agent out of its directory."""
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
