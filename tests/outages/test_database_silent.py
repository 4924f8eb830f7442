"""A database that neither answers nor refuses, or answers that it cannot: nobody waits for it beyond his time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from tests.postgres import PostgresCluster
from trivet.clock import SystemClock
from trivet.controllers.duties import Duties
from trivet.errors import Busy
from trivet.ids import SystemIds
from trivet.store import leases
from trivet.store.leases import Lease, Sightings
from trivet.store.postgres import PostgresStore
from trivet.store.tx import Change

pytestmark = pytest.mark.postgres

CLOCK = SystemClock()
LENGTH_S = 6.0
"""Of the leases of duties."""
NEWS = Change(noun="things", id="1", verb="updated", revision=1)


class Wire:
    """Between a process and its database; while it is cut, nothing comes through, and nothing says so."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._ends: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        self.mend()
        self._server.close()
        for end in self._ends:
            end.close()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._ends += [writer, back]
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer), return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._whole.wait()
            writer.write(data)
        writer.close()


@pytest.fixture
async def url(postgres_cluster: PostgresCluster) -> str:
    """Of a database whose schema is ready."""
    made = postgres_cluster.new_database()
    async with opened(made) as store:
        await store.migrate()
    return made


@pytest.fixture
async def wire(postgres_cluster: PostgresCluster) -> AsyncIterator[Wire]:
    wire = Wire(postgres_cluster.port)
    yield wire
    await wire.close()


@asynccontextmanager
async def opened(url: str, patience_s: float = 30.0) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, CLOCK, SystemIds(), connections=2, patience_s=patience_s)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def over(wire: Wire, url: str) -> str:
    name = url.rpartition("/")[2]
    return f"postgresql://postgres@127.0.0.1:{await wire.open()}/{name}"


async def look(store: PostgresStore) -> None:
    async with store.read() as tx:
        await tx.row("SELECT 1")


async def say(store: PostgresStore) -> None:
    async with store.write() as tx:
        tx.note(NEWS)


async def in_the_end(store: PostgresStore, act: Callable[[PostgresStore], Awaitable[None]]) -> None:
    """As a client that is told to come again; a busy machine may need longer than this store waits."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Busy):
                return await act(store)


async def test_requests_hear_that_the_database_is_away_and_work_again_once_it_is_back(url: str, wire: Wire) -> None:
    async with opened(await over(wire, url), patience_s=1.0) as store:
        await in_the_end(store, say)
        wire.cut()
        # More than there are connections: some fail at their statement, some wait for a connection in vain.
        told = await asyncio.gather(*(act(store) for act in (look, say) * 3), return_exceptions=True)
        assert {type(error) for error in told} == {Busy}
        wire.mend()
        await in_the_end(store, look)
        await in_the_end(store, say)


async def test_a_duty_has_ended_when_its_lease_ends_though_the_database_does_not_say_so(url: str, wire: Wire) -> None:
    acted = [0.0]

    async def work(lease: Lease) -> None:
        while True:
            began = CLOCK.monotonic()
            await CLOCK.sleep(0.01)
            # Where the whole machine stood still for longer, fences have to do.
            if CLOCK.monotonic() - began < 0.3:
                acted.append(CLOCK.now())

    async with opened(url) as other, opened(await over(wire, url)) as store:
        duties = Duties(store, "one")
        duties.offer("work", work)
        running = asyncio.create_task(duties.run())
        sightings = Sightings(CLOCK, longest_gap_s=60.0)
        try:
            async with asyncio.timeout(120):
                while len(acted) < 2:
                    await CLOCK.sleep(0.01)
                wire.cut()
                taken = None
                while taken is None:
                    await CLOCK.sleep(0.1)
                    async with other.read() as tx:
                        row = await tx.row("SELECT ends_at FROM leases WHERE name = 'work'")
                    async with other.write() as tx:
                        taken = await leases.take(tx, "work", "two", LENGTH_S, sightings)
            assert row is not None
            assert acted[-1] < row[0]
        finally:
            wire.mend()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_who_looks_for_free_duties_does_not_wait_for_who_renews_his(url: str) -> None:
    began = asyncio.Event()

    async def work(lease: Lease) -> None:
        began.set()
        await asyncio.Event().wait()

    async with opened(url) as other, opened(url) as store:
        async with other.write() as tx:
            assert await leases.take(tx, "theirs", "two", 30.0) is not None
        duties = Duties(store, "one")
        duties.offer("theirs", work)
        duties.offer("free", work)
        async with other.write() as tx:
            assert await leases.renew_all(tx, "two", 30.0) == {"theirs"}
            running = asyncio.create_task(duties.run())
            try:
                async with asyncio.timeout(60):
                    while not began.is_set():
                        # Who did nothing for so long would be thrown out, and nobody would have to wait any more.
                        await tx.row("SELECT 1")
                        await CLOCK.sleep(0.1)
                assert duties.held == ["free"]
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def test_what_a_frozen_process_had_begun_holds_up_nobody_for_long(url: str) -> None:
    async with opened(url) as frozen, opened(url) as other:
        with pytest.raises(Busy):
            async with frozen.write() as tx:
                await tx.run("INSERT INTO leases (name, holder, token, ends_at) VALUES ('here', 'one', 1, 0)")
                async with other.write() as theirs:
                    assert await leases.take(theirs, "here", "two", 5.0) is not None
                await tx.run("UPDATE leases SET ends_at = 1 WHERE name = 'here'")
        async with other.read() as tx:
            assert await tx.rows("SELECT holder FROM leases WHERE name = 'here'") == [("two",)]


@pytest.mark.parametrize(
    "hurt",
    [
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        "ALTER DATABASE {} SET search_path = nowhere",
        "ALTER DATABASE {} ALLOW_CONNECTIONS false",
    ],
    ids=["takes no changes", "is empty", "lets nobody in"],
)
async def test_a_database_that_cannot_work_is_told_as_away(
    url: str, postgres_cluster: PostgresCluster, hurt: str
) -> None:
    async with opened(url, patience_s=5.0) as store:
        operator = await asyncpg.connect(postgres_cluster.url("postgres"))
        name = url.rpartition("/")[2]
        await operator.execute(hurt.format(name))
        await operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        await operator.close()
        for _ in range(3):
            with pytest.raises(Busy):
                await say(store)
