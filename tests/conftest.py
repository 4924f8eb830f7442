"""What all tests share: the databases, chance, the engines' turn, the order of locks, and one rule.

Where CI is, or TRIVET_REQUIRE_ENGINES says so, what is missing is a failure and not a skip. But a test marked
`hardware` may need a machine that this one is not.
"""

import asyncio
import os
import random
import zlib
from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest
import uvloop

from tests import lock_order
from tests.drivers.turn import pytest_runtest_protocol, pytest_runtest_setup
from tests.postgres import postgres_cluster, shared_cluster

__all__ = ["postgres_cluster", "pytest_runtest_protocol", "pytest_runtest_setup", "shared_cluster"]

_REQUIRED = bool(os.environ.get("CI") or os.environ.get("TRIVET_REQUIRE_ENGINES"))


def pytest_configure() -> None:
    lock_order.watch()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="another chance, or one history of the simulation")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests with real engines run under the event loop that the product uses: its sockets, pipes and children differ
    from those of asyncio, and a driver that was proved with the one can hang with the other. Others take what is
    quickest to make."""
    if item.get_closest_marker("dataplane") or item.get_closest_marker("contract"):
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """A test's own chance: the same in every run, so that what passed passes again. `--seed N` gives it another."""
    seed = request.config.getoption("--seed")
    return random.Random(zlib.crc32(request.node.nodeid.encode()) if seed is None else seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _REQUIRED and report.skipped and item.get_closest_marker("hardware") is None:
        why: Any = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped here: {why[2] if isinstance(why, tuple) else why}"
    return report
