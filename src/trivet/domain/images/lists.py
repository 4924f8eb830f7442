"""Lists of images: who sees which, in what order, narrowed by what.

A name that no rule knows is a property of the image, as image clients expect.
"""

from typing import Literal

import msgspec

from trivet.clock import parse_iso
from trivet.domain.callers import Caller
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid
from trivet.store.tables import Value
from trivet.store.tx import Tx
from trivet.store.where import Where, order_by

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
_OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")
_FLAGS = {"true": 1, "false": 0}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    filters: list[tuple[str, str]] = []
    tags: tuple[str, ...] = ()
    member_status: MemberStatus = "accepted"
    sort: tuple[tuple[str, bool], ...] = (("created_at", True),)
    """(key of SORT_COLUMNS, descending)"""
    marker: Image | None = None
    limit: int = 25


async def find(tx: Tx, caller: Caller, query: Query) -> list[Image]:
    where = Where()
    asked = dict(query.filters)
    _narrow_to_visible(where, caller, asked.get("visibility"), query.member_status)
    where.equal("os_hidden", _flag("os_hidden", asked.get("os_hidden", "false")))
    for name, value in query.filters:
        if name not in ("visibility", "os_hidden"):
            _narrow(where, name, value)
    for tag in query.tags:
        where.add("EXISTS (SELECT 1 FROM image_tags t WHERE t.image_id = images.id AND t.tag = ?)", tag)
    sort = _complete(query.sort)
    columns = [(SORT_COLUMNS[key], descending) for key, descending in sort]
    if query.marker is not None:
        where.after(columns, [_sort_value(query.marker, key) for key, _ in sort])
    return await tx.select(IMAGES, where, order=order_by(columns), limit=query.limit)


def _complete(sort: tuple[tuple[str, bool], ...]) -> list[tuple[str, bool]]:
    """With the keys that make the order total."""
    found = list(sort)
    for key in ("created_at", "id"):
        if key not in [name for name, _ in found]:
            found.append((key, sort[0][1]))
    return found


def _sort_value(image: Image, key: str) -> Value:
    value: Value = getattr(image, key)
    if value is None:
        return 0 if key == "size" else ""
    return value


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
        where.add(
            "EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = images.id AND p.name = ? AND p.value = ?)",
            name,
            value,
        )


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
