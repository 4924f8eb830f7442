"""One suite over both databases: `store` is SQLite in a file, SQLite in memory, and PostgreSQL in turn."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.postgres import PostgresCluster

from trivet.ids import SystemIds
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store


class HandClock:
    """Time stands still until a test moves it; sleeping only lets others run."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0
        self.steady = 0.0

    def wait(self, seconds: float) -> None:
        self.at += seconds
        self.steady += seconds

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.steady

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


NewStore = Callable[[], Store]
"""Another store, as another process would open it, on the same database."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_store(request: pytest.FixtureRequest, clock: HandClock, tmp_path: Path) -> NewStore:
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "trivet.db", clock, SystemIds())
    url = fresh_url(request)
    return lambda: PostgresStore(url, clock, SystemIds())


def fresh_url(request: pytest.FixtureRequest) -> str:
    cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
    return cluster.migrated_database()


@pytest.fixture(params=["sqlite", "memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, clock: HandClock, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store
    if request.param == "postgres":
        opened = PostgresStore(fresh_url(request), clock, SystemIds())
    else:
        path = ":memory:" if request.param == "memory" else tmp_path / "trivet.db"
        opened = SqliteStore(path, clock, SystemIds())
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
async def two_stores(new_store: NewStore) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes on one database."""
    one, two = new_store(), new_store()
    await one.open()
    await one.migrate()
    await two.open()
    yield one, two
    await one.close()
    await two.close()
