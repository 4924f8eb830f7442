"""PostgreSQL 15+: the database for many processes.

READ COMMITTED, because every rule of ours is a conditional statement or a compare-and-swap and needs no
more. A transaction that the server aborted for a race (deadlock, serialization) is told as Stale, and
`transact` runs it again. Commits that write to the log take turns (see log.py).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any

import asyncpg

from trivet.clock import Clock
from trivet.errors import Busy, InTheWay, Invalid, Stale
from trivet.ids import Ids
from trivet.store import log, migrations
from trivet.store.connections import Connections
from trivet.store.store import Commits, Wake
from trivet.store.tables import Value
from trivet.store.tx import Tx

_CHANNEL = "trivet"
_STATEMENTS_KEPT = 512
"""A connection's. Preparing and planning costs more than most of our statements do."""
_PLANNING = {"jit": "off", "plan_cache_mode": "force_generic_plan", "enable_bitmapscan": "off", "enable_seqscan": "off"}
"""Our statements find rows by index, whatever the values: one plan each, and one that walks the index in order. Also
while a table is still small: the plan is kept when it has grown (claims at 10,000 hosts took 100 ms in place of 4)."""
_CUT_OFF = {
    "idle_in_transaction_session_timeout": "10s",
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
"""What a process that froze or was cut off had begun is taken back soon: its locks, the log's turn among them, would
stop everybody else for as long as TCP holds the dead connection open, which is hours."""
_LET_GO_S = 0.5
"""For leaving a transaction that failed. Longer than that only a database is that does not answer at all, and who
waited for it would hold a lease beyond its end (controllers/duties.py)."""
_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # so it says when the end of the connection comes between two of our statements
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
)
_NOT_ITSELF = (
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.UndefinedTableError,
)
"""It answers, but cannot work: it stops, has no room for us, fails at its files, has ended our transaction, or a
failover has led us to one that is empty."""


@lru_cache(maxsize=4096)
def numbered(sql: str) -> str:
    """`?` as `$1`, `$2`... Our statements hold no question mark otherwise (values are always bound)."""
    parts = sql.split("?")
    return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))


def told(error: Exception) -> Exception:
    if isinstance(error, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
        return Stale("transaction", "")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return InTheWay()
    if isinstance(error, asyncpg.DataError):
        return Invalid("value.invalid", "A value cannot be stored: a character or a number that no record may hold.")
    if isinstance(error, asyncpg.DiskFullError):
        return Busy("store.full", "The database's disk is full; free some space and try again.")
    if isinstance(error, asyncpg.DataCorruptedError | asyncpg.IndexCorruptedError):
        return Busy("store.damaged", f"The database says that it is damaged ({error}); put back a whole copy.")
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return Busy("store.away", "The database takes no changes at the moment; try again.")
    if isinstance(error, (*_AWAY, *_NOT_ITSELF)):
        return Busy("store.away", "The database cannot be reached at the moment; try again.")
    return error


class PostgresTx(Tx):
    def __init__(self, connection: Any, clock: Clock, ids: Ids) -> None:
        super().__init__(clock, ids)
        self._connection = connection
        self._depth = 0
        self._left = 0
        """The savepoint, if any, that nobody needs any more. What a later one holds goes with it."""

    async def rows(self, sql: str, *values: Value) -> Sequence[Sequence[Any]]:
        try:
            found: Sequence[Sequence[Any]] = await self._connection.fetch(numbered(sql), *values)
        except (asyncpg.PostgresError, *_AWAY) as error:
            raise told(error) from error
        return found

    async def row(self, sql: str, *values: Value) -> Sequence[Any] | None:
        try:
            found: Sequence[Any] | None = await self._connection.fetchrow(numbered(sql), *values)
        except (asyncpg.PostgresError, *_AWAY) as error:
            raise told(error) from error
        return found

    async def run(self, sql: str, *values: Value) -> int:
        try:
            status: str = await self._connection.execute(numbered(sql), *values)
        except (asyncpg.PostgresError, *_AWAY) as error:
            raise told(error) from error
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def has_table(self, name: str) -> bool:
        row = await self.row("SELECT to_regclass(?::text) IS NOT NULL", name)
        return row is not None and bool(row[0])

    async def columns_of(self, table: str) -> set[str]:
        where = "table_name = ? AND table_schema = current_schema()"
        sql = f"SELECT column_name FROM information_schema.columns WHERE {where}"
        return {str(row[0]) for row in await self.rows(sql, table)}

    async def savepoint(self) -> None:
        self._depth += 1
        name = f"s{self._depth}"
        if self._left == self._depth:
            # Both in one round trip.
            await self.run(f"RELEASE SAVEPOINT {name}; SAVEPOINT {name}")
        else:
            await self.run(f"SAVEPOINT {name}")

    async def undo(self) -> None:
        await self.run(f"ROLLBACK TO SAVEPOINT s{self._depth}")
        await self.keep()

    async def keep(self) -> None:
        """It stays until the next one, or the end, makes it superfluous: to release it now is a round trip."""
        self._left = self._depth
        self._depth -= 1


class PostgresStore:
    def __init__(self, url: str, clock: Clock, ids: Ids, *, connections: int = 8, patience_s: float = 30.0) -> None:
        self.clock = clock
        self.ids = ids
        self.wake = Wake()
        self.commits = Commits()
        self._url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
        self._patience_s = patience_s
        """For a connection, and again for a statement."""
        self._connections = Connections(self._connect, connections, patience_s)
        self._ear: Any = None
        self._own: set[int] = set()
        """Backends of ours: what they commit, we know."""

    async def open(self) -> None:
        try:
            self._connections.give_back(await self._connections.take())
            await self.listen()
        except (asyncpg.PostgresError, *_AWAY) as error:
            raise Busy("store.away", f"The database cannot be reached: {error}") from error

    async def _connect(self) -> Any:
        cancelled = _cancellations()
        connection = None
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=self._patience_s,
                command_timeout=self._patience_s,
                statement_cache_size=_STATEMENTS_KEPT,
                max_cached_statement_lifetime=0,
                server_settings=_PLANNING | _CUT_OFF,
            )
        finally:
            if _cancellations() > cancelled:
                # asyncpg may forget one that comes meanwhile, and the work would go on without a lease.
                if connection is not None:
                    connection.terminate()
                raise asyncio.CancelledError
        backend = connection.get_server_pid()
        self._own.add(backend)
        connection.add_termination_listener(lambda _: self._own.discard(backend))
        return connection

    async def listen(self) -> None:
        """Hear other processes' commits. Lost hints are made good by the followers' own polling."""
        if self._ear is not None and not self._ear.is_closed():
            return
        try:
            self._ear = await asyncpg.connect(self._url, timeout=10)
            await self._ear.add_listener(_CHANNEL, self._heard)
        except (asyncpg.PostgresError, TimeoutError, *_AWAY) as error:
            raise told(error) from error

    def _heard(self, _ear: Any, backend: int, _channel: str, _said: str) -> None:
        """A commit of our own has woken all it should, and to look at the log once more costs as much again."""
        if backend not in self._own:
            self.wake.set()

    async def close(self) -> None:
        if self._ear is not None:
            await self._ear.close()
        await self._connections.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        connection = await self._taken()
        try:
            yield PostgresTx(connection, self.clock, self.ids)
        except asyncio.CancelledError:
            # It may be in the middle of a statement, and whoever came next would have to wait for that one's end.
            connection.terminate()
            raise
        except Busy as error:
            self._doubt(connection, error)
            raise
        finally:
            self._connections.give_back(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        connection = await self._taken()
        tx = PostgresTx(connection, self.clock, self.ids)
        try:
            await tx.run("BEGIN")
            yield tx
            await tx.finish()
            if tx.changes:
                rows = [log.row_of(change, self.clock.now()) for change in tx.changes]
                await self._append(connection, rows)
            await tx.run("COMMIT")
        except asyncio.CancelledError:
            # Who is told to stop has no time to ask whether the database answers: this undoes it, too.
            connection.terminate()
            raise
        except BaseException as error:
            await _roll_back(connection)
            self._doubt(connection, error)
            raise
        finally:
            self._connections.give_back(connection)
        if tx.changes:
            self.wake.set()
            await self.commits.tell(tx.changes)

    async def _append(self, connection: Any, rows: list[tuple[Value, ...]]) -> None:
        try:
            await connection.execute(log.POSTGRES_APPEND, *([*column] for column in zip(*rows, strict=True)))
        except (asyncpg.PostgresError, *_AWAY) as error:
            raise told(error) from error

    def _doubt(self, connection: Any, error: BaseException) -> None:
        """A database that is away may come back elsewhere, while these still lead to one that is empty or a copy: in
        steady use they would do so for ever."""
        if isinstance(error, Busy) and error.code == "store.away":
            connection.terminate()
            self._connections.drop()
            if self._ear is not None:
                self._ear.terminate()

    async def _taken(self) -> Any:
        try:
            return await self._connections.take()
        except (asyncpg.PostgresError, *_AWAY) as error:
            raise Busy("store.away", "The database cannot be reached at the moment; try again.") from error

    async def migrate(self) -> list[str]:
        async with self.write() as tx:
            await tx.run("SET LOCAL lock_timeout = '4s'")
            await tx.run(f"SELECT pg_advisory_xact_lock({log.MIGRATION_LOCK})")
            return await migrations.apply(tx, migrations.POSTGRES)


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


async def _roll_back(connection: Any) -> None:
    """Soon, or by giving up the connection: then PostgreSQL does it. The first error says why, not one of these."""
    with suppress(asyncpg.PostgresError, *_AWAY):
        try:
            async with asyncio.timeout(_LET_GO_S):
                await connection.execute("ROLLBACK")
        except (asyncpg.PostgresError, *_AWAY):
            connection.terminate()
