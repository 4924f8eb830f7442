"""SQLite: the embedded database, one file, in WAL mode.

Calls are made directly from the event loop: a row by key costs some ten microseconds, less than handing
it to a thread. There is one writer connection, whose transactions queue behind a lock, and one reader.
`synchronous=FULL`: what was answered survives a power cut.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from trivet.clock import Clock
from trivet.errors import Busy, InTheWay, Invalid
from trivet.ids import Ids
from trivet.store import log, migrations
from trivet.store.sqlite_files import Files, check_tables
from trivet.store.store import Commits, Wake
from trivet.store.tables import Value
from trivet.store.tx import Tx

_BUSY_MS = 50
_LOOK_AGAIN_S = 0.02
"""Another process writes: SQLite itself would wait with the whole event loop in hand."""
_AWAY = ("unable to open", "no such table")
_BROKEN = ("disk I/O", "readonly")


class SqliteTx(Tx):
    def __init__(self, connection: sqlite3.Connection, clock: Clock, ids: Ids) -> None:
        super().__init__(clock, ids)
        self._connection = connection
        self._depth = 0

    async def rows(self, sql: str, *values: Value) -> Sequence[Sequence[Any]]:
        return self._execute(sql, values).fetchall()

    async def row(self, sql: str, *values: Value) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._execute(sql, values).fetchone()
        return row

    async def run(self, sql: str, *values: Value) -> int:
        return self._execute(sql, values).rowcount

    async def has_table(self, name: str) -> bool:
        return await self.row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name) is not None

    async def columns_of(self, table: str) -> set[str]:
        return {str(row[0]) for row in await self.rows("SELECT name FROM pragma_table_info(?)", table)}

    async def savepoint(self) -> None:
        self._depth += 1
        self._execute(f"SAVEPOINT s{self._depth}", ())

    async def undo(self) -> None:
        self._execute(f"ROLLBACK TO s{self._depth}", ())
        await self.keep()

    async def keep(self) -> None:
        self._execute(f"RELEASE s{self._depth}", ())
        self._depth -= 1

    def _execute(self, sql: str, values: Sequence[Value]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, values)
        except OverflowError as error:
            raise Invalid("value.invalid", "A number is larger than a record may hold.") from error
        except sqlite3.Error as error:
            raise told(error) from error


def told(error: sqlite3.Error) -> Exception:
    """The database's trouble as one of ours; what would be a bug of ours stays as it is."""
    if isinstance(error, sqlite3.IntegrityError):
        return InTheWay()
    if isinstance(error, sqlite3.OperationalError):
        text = str(error)
        if "full" in text:
            return Busy("store.full", "The database's disk is full; free some space and try again.")
        if "locked" in text or "busy" in text:
            return Busy("store.busy", "The database is busy; try again.")
        if any(sign in text for sign in _BROKEN):
            return Busy("store.away", f"The database's disk does not take it ({text}): it may be broken or read-only.")
        if any(sign in text for sign in _AWAY):
            return Busy("store.away", "The database cannot be reached at the moment; try again.")
    elif type(error) is sqlite3.DatabaseError:
        return Busy("store.away", "The database's file cannot be read; put back a whole one and restart.")
    return error


class SqliteStore:
    """The store in one SQLite file, for clouds of one machine."""

    def __init__(self, path: Path | str, clock: Clock, ids: Ids, *, patience_s: float = 10.0) -> None:
        self.clock = clock
        self.ids = ids
        self.wake = Wake()
        self.commits = Commits()
        self._patience_s = patience_s
        self._path = str(path)
        self._turn = asyncio.Lock()
        self._writer: sqlite3.Connection
        self._reader: sqlite3.Connection
        self._files: Files | None = None

    async def open(self) -> None:
        try:
            self._writer = self._connect()
            # An in-memory database (tests) exists only in its connection.
            self._reader = self._writer if self._path == ":memory:" else self._connect()
            check_tables(self._reader)
        except sqlite3.Error as error:
            raise told(error) from error
        # The log is there once something has been read from it; an in-memory database has no file at all.
        self._files = None if self._path == ":memory:" else Files(self._path)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=1024)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    async def listen(self) -> None:
        """Nobody tells of commits to a file: followers look by themselves."""

    async def close(self) -> None:
        self._reader.close()
        self._writer.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        yield SqliteTx(self._reader, self.clock, self.ids)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        end = self.clock.monotonic() + self._patience_s
        async with self._turn:
            tx = SqliteTx(self._writer, self.clock, self.ids)
            await self._begin(tx, end)
            try:
                yield tx
                await tx.finish()
                for change in tx.changes:
                    await tx.run(log.SQL_APPEND, *log.row_of(change, self.clock.now()))
                await tx.run("COMMIT")
                self._check_files()
            except BaseException:
                # A failed COMMIT (disk full) may already have rolled back.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        if tx.changes:
            self.wake.set()
            await self.commits.tell(tx.changes)

    async def _begin(self, tx: SqliteTx, end: float) -> None:
        self._check_files()
        while True:
            try:
                await tx.run("BEGIN IMMEDIATE")
            except Busy as error:
                if error.code != "store.busy" or self.clock.monotonic() > end:
                    raise
            else:
                return
            await self.clock.sleep(_LOOK_AGAIN_S)

    def _check_files(self) -> None:
        """Before a transaction, and before its commit is acknowledged."""
        if self._files is not None:
            self._files.check(self._writer)

    async def migrate(self) -> list[str]:
        async with self.write() as tx:
            return await migrations.apply(tx, migrations.SQLITE)
