"""A process in which everything that looks at the database fails with a bug: each duty stays, in no hurry, and when the
bug has gone all that was asked for meanwhile is done.

The class: a loop that a bug ends for good, or that a bug makes run as fast as it can.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.simulation import invariants
from tests.simulation.virtual_time import VirtualLoop, run
from tests.simulation.world import CALL, World

from trivet.domain.servers import create as server_create
from trivet.domain.servers.create import ServerCreate
from trivet.domain.servers.servers import SERVERS
from trivet.store.store import transact

MINUTES = 10
LOOKS_A_MINUTE = 300
"""All loops of three processes together; one that runs as fast as it can looks that often in a second."""


class Buggy:
    """What a process reads, as often as it tries."""

    def __init__(self, store: Any) -> None:
        self.on = False
        self.looks = 0
        self._read = store.read
        store.read = self._looking

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[Any]:
        if self.on:
            self.looks += 1
            raise KeyError("a bug")
        async with self._read() as tx:
            yield tx


def test_every_duty_outlives_a_bug_in_all_that_it_reads_and_hurries_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loop = VirtualLoop()
    world = World(5, tmp_path, loop, dies_at_commit=0.0)
    caplog.set_level(logging.CRITICAL)

    async def live() -> list[str]:
        await world.open()
        for process in world.processes:
            process.life.calm()
        await asyncio.sleep(20)
        held = sorted(name for process in world.processes for name in process.duties.held)
        bugs = [Buggy(process.store) for process in world.processes]
        for bug in bugs:
            bug.on = True
        wanted = ServerCreate(name="s", image_id="i" * 36, flavor_id="small", networks="none")
        (server,) = await transact(world.plain, lambda tx: server_create.create(tx, CALL, wanted))
        await asyncio.sleep(60 * MINUTES)
        assert sorted(name for process in world.processes for name in process.duties.held) == held
        assert 0 < sum(bug.looks for bug in bugs) < LOOKS_A_MINUTE * MINUTES
        for bug in bugs:
            bug.on = False
        await asyncio.sleep(240)
        async with world.plain.read() as tx:
            found = await tx.need(SERVERS, server.id, "server")
        wrong = await invariants.check(world)
        world.end()
        return wrong if found.status == "active" else [*wrong, f"it is {found.status}: {found.fault}"]

    try:
        assert run(loop, live()) == []
    finally:
        asyncio.run(world.close())
