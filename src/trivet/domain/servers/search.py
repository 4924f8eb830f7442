"""Finding servers: what can be asked of a list, and the one page that answers it.

Names are matched by regular expressions, as clients expect. The plain ones (a word, ^a prefix, a suffix$)
become conditions of the query; the others are tried here, in a time that no pattern can choose (patterns.py).
"""

import asyncio
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from trivet.domain.servers.patterns import LENGTH_MAX, Pattern
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import Invalid
from trivet.store.tables import Value
from trivet.store.tx import Tx
from trivet.store.where import Where, order_by

PAGE_MAX = 1000
_PLAIN = re.compile(r"^(\^?)([\w \-:@/#=,]+)(\$?)$")
_PLAIN_ADDRESS = re.compile(r"^(\^?)([0-9a-fA-F.:]+)(\$?)$")
_LOT = 500
"""Rows between which others have their turn."""

Sort = Literal[
    "created", "updated", "name", "id", "host", "hostname", "status", "task", "launched", "key", "user", "project",
    "power", "image", "zone", "index", "locked", "ended", "description", "config_drive", "ipv4", "ipv6", "disk_config",
]  # fmt: skip

_COLUMNS: dict[str, str] = {
    "created": "created_at",
    "updated": "updated_at",
    "name": "name",
    "id": "id",
    "host": "COALESCE(host_id, '')",
    "hostname": "hostname",
    "status": "status",
    "task": "COALESCE(task, '')",
    "launched": "COALESCE(launched_at, 0)",
    "ended": "COALESCE(deleted_at, 0)",
    "key": "COALESCE(key_name, '')",
    "user": "user_id",
    "project": "project_id",
    "power": "power",
    "image": "COALESCE(image_id, '')",
    "zone": "COALESCE(zone, '')",
    "index": "launch_index",
    "locked": "locked",
    "description": "COALESCE(description, '')",
    "config_drive": "config_drive",
    "ipv4": "COALESCE(access_ipv4, '')",
    "ipv6": "COALESCE(access_ipv6, '')",
    "disk_config": "disk_config",
}


class State(msgspec.Struct, frozen=True):
    """A status, with one of `tasks` going on; or, if there are none, with none of `not_tasks`."""

    status: str
    tasks: tuple[str, ...] = ()
    not_tasks: tuple[str, ...] = ()


class ServerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is None does not matter."""

    project_id: str | None = None
    equal: dict[str, str | int | None] = {}
    """Columns that must be just so."""
    like: dict[str, str] = {}
    """Columns that must match a pattern."""
    states: tuple[State, ...] | None = None
    flavor_id: str | None = None
    host_name: str | None = None
    addresses: tuple[str, ...] = ()
    """Patterns; some address of the server must match each."""
    tags_all: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    tags_not_all: tuple[str, ...] = ()
    tags_not_any: tuple[str, ...] = ()
    changed_since: float | None = None
    changed_before: float | None = None
    deleted: bool | None = False
    sort: tuple[tuple[Sort, bool], ...] = ()
    """(by what, descending)"""
    limit: int = PAGE_MAX
    marker: str | None = None


async def page(tx: Tx, query: ServerQuery) -> list[Server]:
    where = _conditions(query)
    if query.addresses and not await _with_addresses(tx, where, query):
        return []
    sort = [(_COLUMNS[by], descending) for by, descending in query.sort]
    for column in ("created_at", "id"):
        if column not in (known for known, _ in sort):
            sort.append((column, True))
    if query.marker is not None:
        where.after(sort, await _marker(tx, query, sort))
    slow = {column: Pattern(text) for column, text in query.like.items() if not _like(where, column, text)}
    if not slow:
        return await tx.select(SERVERS, where, order=order_by(sort), limit=query.limit)
    ids = await _matching(tx, where, sort, slow, query.limit)
    return await tx.select(SERVERS, Where().any_of("id", ids), order=order_by(sort))


def _conditions(query: ServerQuery) -> Where:
    where = Where()
    if query.project_id is not None:
        where.equal("project_id", query.project_id)
    for column, value in query.equal.items():
        where.equal(column, value)
    if query.deleted is not None:
        where.add("deleted_at IS NOT NULL" if query.deleted else "deleted_at IS NULL")
    if query.states is not None:
        _states(where, query.states)
    if query.flavor_id is not None:
        start = f'{{"id":{msgspec.json.encode(query.flavor_id).decode()},'
        where.add(f"substr(flavor, 1, {len(start)}) = ?", start)
    if query.host_name is not None:
        where.add("host_id IN (SELECT id FROM hosts WHERE name = ?)", query.host_name)
    if query.changed_since is not None:
        where.add("updated_at >= ?", query.changed_since)
    if query.changed_before is not None:
        # Clients see whole seconds: what they were shown must find the server again.
        where.add("updated_at < ?", math.floor(query.changed_before) + 1)
    for tag in query.tags_all:
        where.add(_HAS_TAG, _as_element(tag))
    if query.tags_any:
        where.add(f"({' OR '.join(_HAS_TAG for _ in query.tags_any)})", *map(_as_element, query.tags_any))
    if query.tags_not_all:
        where.add(f"NOT ({' AND '.join(_HAS_TAG for _ in query.tags_not_all)})", *map(_as_element, query.tags_not_all))
    for tag in query.tags_not_any:
        where.add(f"NOT {_HAS_TAG}", _as_element(tag))
    return where


_HAS_TAG = "(replace(tags, ?, '') <> tags)"


def _as_element(tag: str) -> str:
    """A tag as it stands in the JSON array, quotes included: no other tag contains that text."""
    return msgspec.json.encode(tag).decode()


def _states(where: Where, states: Iterable[State]) -> None:
    choices: list[str] = []
    values: list[Value] = []
    for state in states:
        inner = Where().equal("status", state.status)
        if state.tasks:
            inner.any_of("task", state.tasks)
        elif state.not_tasks:
            none = Where().none_of("task", state.not_tasks)
            inner.add(f"(task IS NULL OR {none.sql.removeprefix(' WHERE ')})", *none.values)
        choices.append(f"({inner.sql.removeprefix(' WHERE ')})")
        values.extend(inner.values)
    where.add(f"({' OR '.join(choices)})" if choices else "1 = 0", *values)


def _like(where: Where, column: str, text: str, plain: re.Pattern[str] = _PLAIN) -> bool:
    """Turn a plain pattern into a condition that means the same on both databases; False: it is not plain."""
    if len(text) > LENGTH_MAX:
        raise Invalid("filter.too_long", f"A filter may be at most {LENGTH_MAX} characters long.")
    match = plain.match(text)
    if match is None:
        return False
    start, word, end = match.groups()
    if start and end:
        where.add(f"{column} = ?", word)
    elif start:
        where.add(f"substr({column}, 1, {len(word)}) = ?", word)
    elif end:
        where.add(f"substr({column}, length({column}) - {len(word) - 1}) = ?", word)
    else:
        where.add(f"replace({column}, ?, '') <> {column}", word)
    return True


async def _matching(
    tx: Tx, where: Where, sort: Sequence[tuple[str, bool]], slow: dict[str, Pattern], limit: int
) -> list[str]:
    columns = list(slow)
    rows = await tx.rows(
        f"SELECT id, {', '.join(columns)} FROM servers{where.sql} ORDER BY {order_by(sort)}", *where.values
    )
    found: list[str] = []
    for number, row in enumerate(rows):
        if len(found) == limit:
            break
        if number % _LOT == _LOT - 1:
            await asyncio.sleep(0)
        if all(row[n + 1] is not None and slow[column].found_in(row[n + 1]) for n, column in enumerate(columns)):
            found.append(str(row[0]))
    return found


async def _with_addresses(tx: Tx, where: Where, query: ServerQuery) -> bool:
    for pattern in query.addresses:
        inner = Where().add("s.deleted_at IS NULL")
        if query.project_id is not None:
            inner.equal("s.project_id", query.project_id)
        slow = None if _like(inner, "a.ip", pattern, _PLAIN_ADDRESS) else Pattern(pattern)
        rows = await tx.rows(
            "SELECT s.id, a.ip FROM servers s JOIN ports p ON p.device_id = s.id AND p.project_id = s.project_id"
            f" JOIN addresses a ON a.port_id = p.id{inner.sql}",
            *inner.values,
        )
        ids = {str(row[0]) for row in rows if slow is None or slow.found_in(str(row[1]))}
        if not ids:
            return False
        where.any_of("id", sorted(ids))
    return True


async def _marker(tx: Tx, query: ServerQuery, sort: Sequence[tuple[str, bool]]) -> Sequence[Any]:
    inside = Where().equal("id", query.marker)
    if query.project_id is not None:
        inside.equal("project_id", query.project_id)
    row = await tx.row(f"SELECT {', '.join(column for column, _ in sort)} FROM servers{inside.sql}", *inside.values)
    if row is None:
        raise Invalid("marker.absent", f"marker [{query.marker}] not found")
    return row
