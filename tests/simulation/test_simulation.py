"""Does it survive anything? One seed, one history: `make sim SEED=8841` replays one.

The mutants are bugs planted on purpose. An invariant that catches none of them would be decoration.
"""

import asyncio
import contextlib
import gc
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.scratch import scratch
from tests.simulation import invariants, mutants
from tests.simulation.virtual_time import VirtualLoop, run
from tests.simulation.world import World
from trivet.domain.images import data as image_data

SEEDS = 200
SHARED = 15
"""Histories with trouble that everybody has at once."""
CLIENTS = 4
ACTS = 25
_ROOM_BYTES = 1 << 30


def history(seed: int, folder: Path, *, shared_trouble: bool = False) -> list[str]:
    """What is wrong at the end of one seed's history."""
    logging.disable(logging.CRITICAL)
    loop = VirtualLoop()
    world = World(seed, folder, loop, shared_trouble=shared_trouble)

    async def live() -> list[str]:
        await world.open()
        days = asyncio.create_task(world.bad_days(60))
        await asyncio.gather(*(world.client(number, ACTS) for number in range(CLIENTS)), days)
        await world.calm(420)
        found = await invariants.check(world)
        world.end()
        return found

    try:
        return run(loop, live())
    finally:
        asyncio.run(world.close())
        logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their time is no virtual one."""

    async def chunks(path: str) -> AsyncIterator[bytes]:
        yield Path(path).read_bytes()

    monkeypatch.setattr(image_data, "file_chunks", chunks)


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch("simulation", _ROOM_BYTES) as made:
        yield made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        one = metafunc.config.getoption("--seed")
        metafunc.parametrize("seed", [one] if one is not None else range(SEEDS))


def test_nothing_is_lost_doubled_or_left_behind(seed: int, folder: Path) -> None:
    assert history(seed, folder) == []


@pytest.mark.parametrize("number", range(SHARED))
def test_a_silence_that_all_share_and_a_clock_that_jumps_are_nobodys_death(
    number: int, folder: Path, request: pytest.FixtureRequest
) -> None:
    one = request.config.getoption("--seed")
    assert history(number if one is None else one, folder, shared_trouble=True) == []


@pytest.mark.parametrize("mutant", mutants.OF_SHARED_TROUBLE, ids=lambda mutant: mutant.__name__)
def test_a_planted_bug_about_time_is_caught(
    mutant: mutants.Mutant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    for seed in range(100):
        under = folder / str(seed)
        under.mkdir()
        if history(seed, under, shared_trouble=True):
            return
    pytest.fail("no invariant noticed it in 100 histories")


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_planted_bug_is_caught(mutant: mutants.Mutant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    for seed in range(25):
        under = folder / str(seed)
        under.mkdir()
        if history(seed, under):
            return
    pytest.fail("no invariant noticed it in 25 histories")


def test_a_history_leaves_nothing_open(folder: Path) -> None:
    """Two hundred would come to more than `select` can look at."""
    open_files = Path("/proc/self/fd")
    gc.disable()
    try:
        there = len(list(open_files.iterdir()))
        history(1, folder)
        assert len(list(open_files.iterdir())) <= there
    finally:
        gc.enable()


def test_one_seed_is_one_history(folder: Path) -> None:
    told = []
    for run_number in range(2):
        under = folder / str(run_number)
        under.mkdir()
        assert history(42, under) == []
        with contextlib.closing(sqlite3.connect(under / "trivet.db")) as database:
            told.append(
                database.execute("SELECT at, noun, noun_id, verb, revision FROM events ORDER BY seq").fetchall()
            )
    assert told[0] == told[1]
