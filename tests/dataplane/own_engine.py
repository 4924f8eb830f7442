"""An OVN of one test's own, for what it goes through when it is killed, adopted or left behind."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.dataplane.ovn_lab import Lab, lab_on, require_engine, running_engine
from tests.drivers.leftovers import FOLDER, clear_leftovers

from trivet.drivers.ovn.engine import External, OvnEngine

HOST = "172.30.8.1"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    require_engine()
    clear_leftovers()
    return tmp_path / FOLDER


@pytest.fixture
def engine(directory: Path) -> Iterator[OvnEngine]:
    with running_engine(directory.parent, "nxlf", External(f"{HOST}/24", masquerade=True)) as engine:
        yield engine


@pytest.fixture
async def lab(engine: OvnEngine) -> AsyncIterator[Lab]:
    async with lab_on(engine) as lab:
        yield lab
