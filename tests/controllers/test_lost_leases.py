"""A lease that went to another process is told as what it is: nobody's bug, and no traceback.

The class: whatever stops because it came too late (a duty, an order, an answer, a listener of the log). And a real bug
is told in full once, not each time it comes again.
"""

import asyncio
import io
import logging
from pathlib import Path

import pytest
from tests.simulation.virtual_time import VirtualLoop, run
from tests.simulation.world import World

from trivet import logs


def taken_from_under(folder: Path) -> None:
    """A cloud whose every lease goes to somebody else now and then, while clients are busy."""
    loop = VirtualLoop()
    world = World(3, folder, loop, dies_at_commit=0.0)

    async def thieve() -> None:
        while True:
            await asyncio.sleep(world.chance.uniform(3, 12))
            for _ in range(4):
                async with world.plain.write() as tx:
                    await tx.run("UPDATE leases SET token = token + 1, holder = 'thief', ends_at = ends_at + 1")
                await asyncio.sleep(1)

    async def live() -> None:
        await world.open()
        for process in world.processes:
            process.life.calm()
        thief = asyncio.create_task(thieve())
        await asyncio.gather(*(world.client(number, 20) for number in range(4)))
        await asyncio.sleep(60)
        thief.cancel()
        world.end()

    try:
        run(loop, live())
    finally:
        asyncio.run(world.close())


def test_no_lost_lease_is_told_as_a_bug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        taken_from_under(tmp_path)
    assert "These leases went to another process" in caplog.text or "is held by somebody else" in caplog.text
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert "Traceback" not in caplog.text and "nobody foresaw" not in caplog.text


def test_a_bug_that_comes_again_is_told_in_full_once() -> None:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.addFilter(logs.Once())
    logger = logging.Logger("trivet.test")
    logger.addHandler(handler)
    for n in range(5):
        try:
            raise KeyError(n)
        except KeyError:
            logger.exception("duty %d: nobody foresaw this", n)
    try:
        raise KeyError("another")
    except KeyError:
        logger.exception("duty %d: nobody foresaw this", 9)
    assert said.getvalue().count("Traceback") == 2
    assert said.getvalue().count("KeyError again, told in full before") == 4
