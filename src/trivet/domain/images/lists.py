"""Lists of images: who sees which, sorted and narrowed by what.

A name that no rule knows is a property of the image, as image clients expect.
"""

from typing import Literal

import msgspec

from trivet.clock import parse_iso
from trivet.domain.callers import Caller
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Value
from trivet.store.tx import Tx
from trivet.store.where import Where

MemberStatus = Literal["pending", "accepted", "rejected", "all"]

SORT_COLUMNS = {
    "name": "COALESCE(name, '')",
    "status": "status",
    "container_format": "COALESCE(container_format, '')",
    "disk_format": "COALESCE(disk_format, '')",
    "size": "COALESCE(size, 0)",
    "id": "id",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
_IN_LISTS = ("id", "name", "status", "container_format", "disk_format")
_TIMES = ("created_at", "updated_at")
_NUMBERS = ("size", "virtual_size", "min_ram", "min_disk")
_BOUNDS = {f"{name}_{end}": (name, sign) for name in _NUMBERS for end, sign in (("min", ">="), ("max", "<="))}
_EXACT = {
    "owner": "project_id",
    "checksum": "checksum",
    "os_hash_value": "os_hash_value",
    "os_hash_algo": "os_hash_algo",
}
_HAS_PROPERTY = "EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = images.id AND p.name = ? AND p.value = ?)"
_OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")
_FLAGS = {"true": 1, "false": 0}


class ServersQuery(msgspec.Struct, frozen=True, kw_only=True):
    """None: it does not matter."""

    name: str | None = None
    changed_since: float | None = None
    min_ram: int | None = None
    min_disk: int | None = None
    statuses: tuple[str, ...] | None = None
    all_but: bool = False
    """Not these statuses, but all others."""
    properties: dict[str, str] = {}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    filters: list[tuple[str, str]] = []
    tags: tuple[str, ...] = ()
    member_status: MemberStatus = "accepted"


async def find(tx: Tx, caller: Caller, query: Query, asked: Asked) -> list[Image]:
    where = Where()
    said = dict(query.filters)
    _narrow_to_visible(where, caller, said.get("visibility"), query.member_status)
    where.equal("os_hidden", _flag("os_hidden", said.get("os_hidden", "false")))
    for name, value in query.filters:
        if name not in ("visibility", "os_hidden"):
            _narrow(where, name, value)
    for tag in query.tags:
        where.add("EXISTS (SELECT 1 FROM image_tags t WHERE t.image_id = images.id AND t.tag = ?)", tag)
    return await lists.page(tx, IMAGES, where, asked, seen=_seen_by(caller))


async def find_for_servers(tx: Tx, caller: Caller, query: ServersQuery, asked: Asked) -> list[Image]:
    """As compute lists them: by its words for their state, and by what it has written into their properties."""
    where = Where()
    _narrow_to_visible(where, caller, None, "accepted")
    where.equal("os_hidden", 0)
    if query.name is not None:
        where.equal("name", query.name)
    if query.changed_since is not None:
        where.add("updated_at >= ?", query.changed_since)
    for column, least in (("min_ram", query.min_ram), ("min_disk", query.min_disk)):
        if least is not None:
            where.add(f"{column} >= ?", least)
    if query.statuses is not None:
        (where.none_of if query.all_but else where.any_of)("status", query.statuses)
    for name, value in query.properties.items():
        where.add(_HAS_PROPERTY, name, value)
    return await lists.page(tx, IMAGES, where, asked, seen=_seen_by(caller))


# -- who sees which


def _narrow_to_visible(where: Where, caller: Caller, visibility: str | None, member_status: MemberStatus) -> None:
    if visibility not in (None, "all"):
        where.equal("visibility", visibility)
    if caller.is_operator or (caller.system and caller.has("reader")):
        return
    open_to_all = "'public', 'community'" if visibility in ("all", "community") else "'public'"
    member, values = _member_of(caller, member_status)
    where.add(
        f"(project_id = ? OR visibility IN ({open_to_all}) OR (visibility = 'shared' AND {member}))",
        caller.project_id or "",
        *values,
    )


def _seen_by(caller: Caller) -> Where:
    """What may be a marker: whatever the caller can show himself."""
    where = Where()
    _narrow_to_visible(where, caller, "all", "all")
    return where


def _member_of(caller: Caller, status: MemberStatus) -> tuple[str, list[Value]]:
    values: list[Value] = [caller.project_id or ""]
    narrowed = ""
    if status != "all":
        narrowed = " AND m.status = ?"
        values.append(status)
    return f"EXISTS (SELECT 1 FROM image_members m WHERE m.image_id = images.id AND m.member_id = ?{narrowed})", values


# -- narrowed by what


def _narrow(where: Where, name: str, value: str) -> None:
    if name in _IN_LISTS:
        where.any_of(name, _in_list(name, value))
    elif name in _TIMES:
        _narrow_time(where, name, value)
    elif name in _NUMBERS:
        where.equal(name, _number(name, value))
    elif name in _BOUNDS:
        column, sign = _BOUNDS[name]
        where.add(f"{column} {sign} ?", _number(name, value))
    elif name in _EXACT:
        where.equal(_EXACT[name], value)
    elif name == "protected":
        where.equal("protected", _flag(name, value))
    else:
        where.add(_HAS_PROPERTY, name, value)


def _in_list(name: str, value: str) -> list[str]:
    """`in:a,b,"c,d"` is any of them; `eq:` and nothing mean the one."""
    if value.startswith("eq:"):
        return [value[3:]]
    if not value.startswith("in:"):
        return [value]
    text, found = value[3:], []
    while text:
        if text.startswith('"'):
            word, quote, text = text[1:].partition('"')
            if not quote or (text and not text.startswith(",")):
                raise Invalid(
                    "query.filter", f"Invalid filter value {value[:100]!r} of {name}: the quote is not closed."
                )
            text = text[1:]
        else:
            word, _, text = text.partition(",")
            if not word or '"' in word:
                raise Invalid("query.filter", f"Invalid filter value {value[:100]!r} of {name}.")
        found.append(word)
    if not found:
        raise Invalid("query.filter", f"The filter {name} names nothing behind in:.")
    return found


def _narrow_time(where: Where, name: str, value: str) -> None:
    operator, _, rest = value.partition(":")
    if operator not in _OPERATORS:
        operator, rest = "eq", value
    try:
        at = parse_iso(rest)
    except ValueError as error:
        raise Invalid("query.filter", f"The value {rest[:64]!r} of {name} is not an ISO 8601 time.") from error
    # Clients know times to the second only: a second is compared as the span that it is.
    bounds = {"gt": (">=", at + 1), "gte": (">=", at), "lt": ("<", at), "lte": ("<", at + 1)}
    if operator in bounds:
        sign, bound = bounds[operator]
        where.add(f"{name} {sign} ?", bound)
    elif operator == "eq":
        where.add(f"({name} >= ? AND {name} < ?)", at, at + 1)
    else:
        where.add(f"({name} < ? OR {name} >= ?)", at, at + 1)


def _number(name: str, value: str) -> int:
    number = whole_number(value)
    if number is None:
        raise Invalid("query.filter", f"The value {value[:64]!r} of {name} is not a whole number of 0 or more.")
    return number


def _flag(name: str, value: str) -> int:
    flag = _FLAGS.get(value.lower())
    if flag is None:
        raise Invalid("query.filter", f"Invalid value {value[:64]!r} for {name!r} filter: it is true or false.")
    return flag
