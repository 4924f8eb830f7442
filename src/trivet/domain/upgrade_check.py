"""Upgrade check: whether this program may take over a database that an older one has written. It changes nothing.

Each check looks at one thing and gives one verdict; the worst of them is that of the whole.
"""

import importlib
import pkgutil
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

import trivet.domain
from trivet.domain.hosts.hosts import HOSTS, is_up
from trivet.domain.identity.tokens import signing_keys
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.domain.secrets import Secrets
from trivet.errors import TrivetError
from trivet.store import migrations
from trivet.store.store import Store
from trivet.store.tables import Table
from trivet.store.tx import Tx

Verdict = Literal["success", "warning", "failure"]
_PAGE = 500
_ROOM = 2
"""How many times its size a database must find free: it is written anew in parts, and somebody wants a copy of it."""
_LONG_S = 3600.0


class Finding(msgspec.Struct, frozen=True):
    check: str
    verdict: Verdict
    said: str


def worst(findings: list[Finding]) -> Verdict:
    order = get_args(Verdict)
    return max((one.verdict for one in findings), key=order.index, default="success")


async def look(store: Store, data: Path, database_file: Path | None) -> list[Finding]:
    async with store.read() as tx:
        findings = [await _schema(tx), await _rows(tx), await _keys(tx, data / "secret")]
        if findings[0].verdict != "failure":
            findings += [await _hosts(tx), await _under_way(tx)]
    return [*findings, _disk(data, database_file)]


async def _schema(tx: Tx) -> Finding:
    try:
        lacking = await migrations.pending(tx)
    except TrivetError as error:
        return Finding("schema", "failure", error.message)
    if not lacking:
        return Finding("schema", "success", "The schema is this program's own.")
    names = ", ".join(one.name for one in lacking)
    if any(one.kind == "contract" for one in lacking):
        said = f"End every process of an older release first: these take away what it needs: {names}."
        return Finding("schema", "warning", said)
    return Finding("schema", "success", f"Older processes may go on beside the new ones. To be applied: {names}.")


async def _rows(tx: Tx) -> Finding:
    """A row that cannot be read would be found by whoever asks for it, after the upgrade."""
    count = 0
    for table in tables():
        async for row in _all_rows(tx, table):
            count += 1
            wrong = table.unreadable(row)
            if wrong is not None:
                said = (
                    f"Column {wrong} of the row {row['id']} in the table {table.name} cannot be read by this program."
                )
                return Finding("rows", "failure", said)
    return Finding("rows", "success", f"{count} rows that hold more than plain values can be read.")


async def _all_rows(tx: Tx, table: Table[Any]) -> AsyncIterator[dict[str, Any]]:
    """With the columns that the database has by now: what a migration adds is empty until then."""
    if not await tx.has_table(table.name):
        return
    there = await tx.columns_of(table.name)
    columns = ("id", *(column for column in table.read_columns if column in there))
    last = ""
    while len(columns) > 1:
        sql = f"SELECT {', '.join(columns)} FROM {table.name} WHERE id > ? ORDER BY id LIMIT {_PAGE}"
        rows = await tx.rows(sql, last)
        for row in rows:
            yield dict(zip(columns, row, strict=True))
        if len(rows) < _PAGE:
            return
        last = str(rows[-1][0])


def tables() -> list[Table[Any]]:
    """Those of every room, once each."""
    found: dict[str, Table[Any]] = {}
    for module in pkgutil.walk_packages(trivet.domain.__path__, "trivet.domain."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Table):
                found[value.name] = value
    return [found[name] for name in sorted(found)]


async def _keys(tx: Tx, secret: Path) -> Finding:
    if not secret.exists():
        said = f"There is no {secret}: without the cloud's secret nobody can log in. Name its directory with --data."
        return Finding("keys", "failure", said)
    try:
        await signing_keys.reload(tx, Tokens(tx.clock), Secrets(secret.read_bytes()))
    except TrivetError as error:
        return Finding("keys", "failure", f"{secret} does not open the keys in the database: {error.message}")
    return Finding("keys", "success", "The cloud's secret opens the keys that sign tokens.")


async def _hosts(tx: Tx) -> Finding:
    down = [host.name for host in await tx.select(HOSTS, order="name") if not is_up(host)]
    if down:
        names = ", ".join(down[:10]) + (", ..." if len(down) > 10 else "")
        return Finding("hosts", "warning", f"These are down, and what they owe waits until they are back: {names}.")
    return Finding("hosts", "success", "Every host is up.")


async def _under_way(tx: Tx) -> Finding:
    sql = "SELECT COUNT(*) FROM server_actions WHERE finished_at IS NULL AND started_at < ?"
    row = await tx.row(sql, tx.clock.now() - _LONG_S)
    stuck = int(row[0]) if row is not None else 0
    if stuck:
        said = f"{stuck} things that were asked of servers over an hour ago are not done: see trivet status."
        return Finding("work", "warning", said)
    return Finding("work", "success", "Nothing that was asked of servers has waited for long.")


def _disk(data: Path, database_file: Path | None) -> Finding:
    if database_file is None:
        return Finding("disk", "success", "The database is a server's, which looks after its own room.")
    size, free = database_file.stat().st_size, shutil.disk_usage(data).free
    if free < _ROOM * size:
        said = (
            f"{free >> 20} MiB are free under {data}, and the database takes {size >> 20}: make room for a copy of it."
        )
        return Finding("disk", "failure" if free < size else "warning", said)
    return Finding("disk", "success", f"{free >> 20} MiB are free under {data}.")
