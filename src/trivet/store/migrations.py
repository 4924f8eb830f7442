"""Migrations: numbered SQL, forward only.

The first line of each says `-- expand` (old code goes on working with the new schema) or `-- contract`
(apply once no old process is left). One text serves both databases; the few words that differ are
written in braces.
"""

import hashlib
import re
from importlib.resources import files
from typing import NamedTuple

from trivet.errors import Invalid
from trivet.store.tx import Tx

_NAME = re.compile(r"^(\d{4})_[a-z_]+\.sql\Z")

SQLITE = {"{identity}": "INTEGER PRIMARY KEY AUTOINCREMENT", "{computed}": "VIRTUAL", "{bytewise}": ""}
POSTGRES = {
    "{identity}": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "{computed}": "STORED",
    # Names that clients page by are in the order of their bytes, whatever the database's language is.
    "{bytewise}": 'COLLATE "C"',
}


class Migration(NamedTuple):
    number: int
    name: str
    kind: str
    sql: str

    @property
    def digest(self) -> str:
        """The digest of its statements; comments are left out and may be improved at any time."""
        return hashlib.sha256("\n".join(statements(self.sql, {})).encode()).hexdigest()[:16]


def known() -> list[Migration]:
    found = []
    for entry in files("trivet.store").joinpath("schema").iterdir():
        match = _NAME.match(entry.name)
        if match:
            sql = entry.read_text()
            kind = sql.splitlines()[0].removeprefix("--").strip()
            if kind not in ("expand", "contract"):
                raise Invalid("migration.unmarked", f"{entry.name} must begin with -- expand or -- contract.")
            found.append(Migration(int(match[1]), entry.name, kind, sql))
    return sorted(found)


async def apply(tx: Tx, dialect: dict[str, str]) -> list[str]:
    await tx.run(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT, at DOUBLE PRECISION, digest TEXT)"
    )
    applied = []
    for migration in await pending(tx):
        for statement in statements(migration.sql, dialect):
            await tx.run(statement)
        await tx.run(
            "INSERT INTO migrations VALUES (?, ?, ?, ?)",
            migration.number,
            migration.name,
            tx.clock.now(),
            migration.digest,
        )
        applied.append(migration.name)
    return applied


async def pending(tx: Tx) -> list[Migration]:
    """What the database lacks; Invalid if this program and the database do not belong together."""
    done = {int(row[0]): str(row[1]) for row in await tx.rows("SELECT number, digest FROM migrations")}
    newest = max((migration.number for migration in known()), default=0)
    if done and max(done) > newest:
        raise Invalid(
            "migration.newer",
            f"The database has schema {max(done)}, this program knows {newest}: use a newer one.",
        )
    lacking = []
    for migration in known():
        if done.get(migration.number, migration.digest) != migration.digest:
            raise Invalid(
                "migration.changed",
                f"{migration.name} has changed since this database was made with it. Use the program that made the "
                "database, or a new --data directory.",
            )
        if migration.number not in done:
            lacking.append(migration)
    return lacking


async def newest(tx: Tx) -> int:
    """The number of the schema that the database has."""
    row = await tx.row("SELECT COALESCE(MAX(number), 0) FROM migrations")
    assert row is not None
    return int(row[0])


def statements(sql: str, dialect: dict[str, str]) -> list[str]:
    for word, meaning in dialect.items():
        sql = sql.replace(word, meaning)
    text = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]
