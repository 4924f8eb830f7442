"""The files of one SQLite database, watched: the database, its log (`-wal`) and the log's index (`-shm`).

A file that was removed or replaced stays ours for as long as it is open. What is written there seems to be kept and is
gone with the process, so a commit counts only if all three are still what they were.
"""

import sqlite3
from pathlib import Path

from trivet.errors import Busy

_BESIDE = ("-wal", "-shm")

Identity = tuple[int, int] | None


class Files:
    def __init__(self, path: str) -> None:
        """Watches the files of a database that is open in WAL mode."""
        self._paths = [path, *(path + ending for ending in _BESIDE)]
        self._known = self._found()
        self._rescued = False

    def check(self, connection: sqlite3.Connection) -> None:
        """Busy if one is not what it was. What the log holds is then put into the database as long as that is possible:
        it was acknowledged."""
        found = self._found()
        # One that was not needed so far is made when it is.
        self._known = [then or now for then, now in zip(self._known, found, strict=True)]
        if found == self._known:
            self._rescued = False
            return
        if found[0] != self._known[0]:
            raise Busy("store.away", "The database's file was moved or replaced; put it back, or restart.")
        if None in found and not self._rescued:
            self._rescue(connection, found)
        gone = next(path for path, now, then in zip(self._paths, found, self._known, strict=True) if now != then)
        raise Busy(
            "store.away",
            f"{Path(gone).name}, which belongs to the database, was removed or replaced; restart to go on.",
        )

    def _rescue(self, connection: sqlite3.Connection, found: list[Identity]) -> None:
        """Not if there is another log by now: then somebody else goes on with that one."""
        if all(now in (None, then) for now, then in zip(found, self._known, strict=True)):
            connection.execute("PRAGMA wal_checkpoint(FULL)")
            self._rescued = True

    def _found(self) -> list[Identity]:
        return [_identity(path) for path in self._paths]


def _identity(path: str) -> Identity:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_tables(connection: sqlite3.Connection) -> None:
    """Every row of every table can be read as far as its last column; else Busy, in words that say which cannot."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for (table,) in tables.fetchall():
        try:
            columns = connection.execute(f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid DESC")
            column = columns.fetchone()[0]
            connection.execute(f"SELECT COUNT({column}) FROM {table} NOT INDEXED").fetchone()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            raise Busy(
                "store.damaged",
                f"The database's table {table} cannot be read ({error}); put back a whole copy and start again.",
            ) from error
