"""Finding servers: what can be asked of a list, and the one page that answers it.

Names are matched by regular expressions, as clients expect. The plain ones (a word, ^a prefix, a suffix$)
become conditions of the query; the others are tried here, in a time that no pattern can choose (patterns.py).
"""

import asyncio
import math
import re
from collections.abc import Iterable, Sequence

import msgspec

from trivet.domain.servers.patterns import LENGTH_MAX, Pattern
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import Invalid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tx import Tx
from trivet.store.where import Where, by_tags

_PLAIN = re.compile(r"^(\^?)([\w \-:@/#=,]+)(\$?)\Z")
_PLAIN_ADDRESS = re.compile(r"^(\^?)([0-9a-fA-F.:]+)(\$?)\Z")

SORTS: dict[str, str] = {
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
"""By what a list may be sorted."""


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
    tags: dict[str, tuple[str, ...]] = {}
    """tags, tags-any, not-tags, not-tags-any."""
    changed_since: float | None = None
    changed_before: float | None = None
    deleted: bool | None = False
    soft_deleted: bool = False
    """Also those that can still be brought back."""


async def page(tx: Tx, query: ServerQuery, asked: Asked) -> list[Server]:
    seen = Where() if query.project_id is None else Where().equal("project_id", query.project_id)
    where = _conditions(query, seen.copy())
    names = {column: Pattern(text) for column, text in query.like.items() if not _like(where, column, text)}
    addresses = [Pattern(text) for text in query.addresses if not _at_address(where, text)]

    async def keep(lot: list[Server]) -> list[Server]:
        await asyncio.sleep(0)
        found = [server for server in lot if all(_fits(getattr(server, name), names[name]) for name in names)]
        return await _at_addresses(tx, found, addresses) if addresses else found

    return await lists.page(tx, SERVERS, where, asked, seen=seen, keep=keep if names or addresses else None)


def _fits(text: str | None, pattern: Pattern) -> bool:
    return text is not None and pattern.found_in(text)


def _at_address(where: Where, text: str) -> bool:
    """Some address of the server matches; False: the pattern is not plain, and the database cannot tell."""
    inner = Where().add("p.device_id = servers.id AND p.project_id = servers.project_id")
    if not _like(inner, "a.ip", text, _PLAIN_ADDRESS):
        return False
    where.add("deleted_at IS NULL")
    where.add(f"EXISTS (SELECT 1 FROM ports p JOIN addresses a ON a.port_id = p.id{inner.sql})", *inner.values)
    return True


async def _at_addresses(tx: Tx, found: list[Server], patterns: Sequence[Pattern]) -> list[Server]:
    inner = Where().any_of("p.device_id", [server.id for server in found if server.deleted_at is None])
    rows = await tx.rows(
        f"SELECT p.device_id, p.project_id, a.ip FROM ports p JOIN addresses a ON a.port_id = p.id{inner.sql}",
        *inner.values,
    )
    of_server: dict[tuple[str, str], list[str]] = {}
    for device_id, project_id, ip in rows:
        of_server.setdefault((device_id, project_id), []).append(ip)
    return [
        server
        for server in found
        if (ips := of_server.get((server.id, server.project_id)))
        and all(any(pattern.found_in(ip) for ip in ips) for pattern in patterns)
    ]


def _conditions(query: ServerQuery, where: Where) -> Where:
    for column, value in query.equal.items():
        where.equal(column, value)
    if query.deleted is not None:
        where.add("deleted_at IS NOT NULL" if query.deleted else "deleted_at IS NULL")
    if query.deleted is False and not query.soft_deleted:
        where.add("status <> 'soft-delete'")
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
    for how, tags in query.tags.items():
        by_tags(where, "tags", how, tags)
    return where


def _states(where: Where, states: Iterable[State]) -> None:
    choices = []
    for state in states:
        choice = Where().equal("status", state.status)
        if state.tasks:
            choice.any_of("task", state.tasks)
        elif state.not_tasks:
            choice.either([Where().equal("task", None), Where().none_of("task", state.not_tasks)])
        choices.append(choice)
    where.either(choices)


def _like(where: Where, column: str, text: str, plain: re.Pattern[str] = _PLAIN) -> bool:
    """Turn a plain pattern into a condition that means the same on both databases; False: it is not plain."""
    if len(text) > LENGTH_MAX:
        raise Invalid("filter.too_long", f"A filter may be at most {LENGTH_MAX} characters long.")
    match = plain.match(text)
    if match is None:
        return False
    start, word, end = match.groups()
    if start and end:
        where.equal(column, word)
    elif start:
        where.beginning(column, word)
    elif end:
        where.ending(column, word)
    else:
        where.holding(column, word)
    return True
