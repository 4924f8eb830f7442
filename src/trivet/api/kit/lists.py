"""Lists: what a client says of one (filters, order, limit, marker) as what the store's engine is asked, and the links
to the next page.

The dialects differ in words and not in ways: each declares how it spells a list (`Spelling`, `Sorting`) and what may
be filtered by, as data. Which rows a list is of and who sees them is said by domain; the rows themselves come from
`store/lists.py`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from trivet.api.kit.request import Request
from trivet.domain.numbers import whole_number
from trivet.errors import TrivetError
from trivet.store.lists import Asked
from trivet.store.tables import Value
from trivet.store.where import Sort, Where

Narrow = Callable[[Request, Where, list[str]], None]
"""Adds to a Where what the values of one query parameter mean."""
Wrong = Literal["mixed", "count", "direction", "key"]
"""Old and new spelling at once; more directions than keys or fewer; a direction or a key that is none."""


class Spelling(msgspec.Struct, frozen=True, kw_only=True):
    """How a dialect spells pages."""

    limit: int | None
    """How many where nobody says; None: all there are."""
    limit_max: int
    zero_is_all: bool = False
    number_max: int | None = None
    """A larger one is no number at all; None: each counts as `limit_max`."""
    wrong: Callable[[str, str], TrivetError]
    """What is said of (a parameter, its value) that is no whole number."""
    absent: Callable[[str], TrivetError]
    """What is said of a marker that the caller does not see."""


class Sorting(msgspec.Struct, frozen=True, kw_only=True):
    """How a dialect spells an order, and what comes behind what was asked for, so that the order is total."""

    first: str | None
    """By what where nobody says."""
    direction: Literal["asc", "desc"]
    """Where nobody says."""
    joined: bool = False
    """sort=KEY:DIRECTION,KEY is understood, too."""
    pairs: Literal["each", "one_or_each", "last_repeated"]
    """Whether there are as many directions as keys (or none); or one for all; or the last counts for the rest."""
    ties: tuple[tuple[str, Literal["asc", "desc", "first", "last"]], ...] = (("id", "last"),)
    """Columns with their direction, which may be that of the first or last key."""
    wrong: Callable[[Wrong, str, Collection[str]], TrivetError]
    """What is said of what was said, and which keys there are."""


# -- pages


def limit_of(request: Request, spelling: Spelling) -> int | None:
    said = request.asked("limit")
    if said is None:
        return spelling.limit
    number = _number("limit", said, spelling)
    return None if number == 0 and spelling.zero_is_all else min(number, spelling.limit_max)


def offset_of(request: Request, spelling: Spelling) -> int:
    said = request.asked("offset")
    return 0 if said is None else _number("offset", said, spelling)


def _number(name: str, said: str, spelling: Spelling) -> int:
    number = whole_number(said)
    if number is None or (spelling.number_max is not None and number > spelling.number_max):
        raise spelling.wrong(name, said)
    return number


def asked(request: Request, spelling: Spelling, sort: Sort, *, named: str = "id") -> Asked:
    return Asked(
        sort=sort,
        limit=limit_of(request, spelling),
        marker=request.asked("marker"),
        named=named,
        absent=spelling.absent,
    )


# -- the order


def sort_of(request: Request, how: Sorting, keys: Mapping[str, str | None]) -> Sort:
    """`keys`: what may be sorted by, and what that is in SQL; None: it is known, and says nothing here."""
    found: dict[str, bool] = {}
    for key, direction in _said(request, how, keys):
        if key not in keys:
            raise how.wrong("key", key, keys)
        if direction not in ("asc", "desc"):
            raise how.wrong("direction", direction, keys)
        column = keys[key]
        if column is not None:
            found.setdefault(column, direction == "desc")
    ends = {"asc": False, "desc": True, "first": how.direction == "desc", "last": how.direction == "desc"}
    if found:
        ends |= {"first": next(iter(found.values())), "last": list(found.values())[-1]}
    for column, direction in how.ties:
        found.setdefault(column, ends[direction])
    return tuple(found.items())


def _said(request: Request, how: Sorting, known: Collection[str]) -> Sequence[tuple[str, str]]:
    keys, directions = (list(filter(None, request.asked_all(name))) for name in ("sort_key", "sort_dir"))
    joined = request.asked("sort") if how.joined else None
    if joined is not None:
        if keys or directions:
            raise how.wrong("mixed", joined, known)
        pairs = [part.strip().partition(":") for part in joined.split(",")]
        return [(key.strip(), direction.strip() or how.direction) for key, _, direction in pairs]
    if not keys and how.first is not None:
        keys = [how.first]
    if how.pairs == "last_repeated" or (how.pairs == "one_or_each" and len(directions) == 1):
        directions += directions[-1:] * (len(keys) - len(directions))
    directions = directions or [how.direction] * len(keys)
    if len(directions) < len(keys) or (len(directions) > len(keys) and how.pairs != "last_repeated"):
        raise how.wrong("count", "", known)
    return list(zip(keys, directions, strict=False))


# -- filters


def narrow(
    request: Request,
    where: Where,
    known: Callable[[str], Narrow | None],
    *,
    aside: Collection[str] = (),
    unknown: Callable[[str], TrivetError] | None = None,
) -> Where:
    """`known`: what a parameter narrows by, such as the get of a dictionary. Those `aside` narrow nothing; what is not
    known is refused, where the dialect says in which words, or narrows nothing either."""
    said: dict[str, list[str]] = {}
    for name, value in request.query:
        if name not in aside:
            said.setdefault(name, []).append(value)
    for name, values in said.items():
        by = known(name)
        if by is not None:
            by(request, where, values)
        elif unknown is not None:
            raise unknown(name)
    return where


def equal(column: str, read: Callable[[str], Value] = str) -> Narrow:
    """It is one of the values."""

    def by(request: Request, where: Where, values: list[str]) -> None:
        where.any_of(column, [read(value) for value in values])

    return by


def at_least(column: str, read: Callable[[str], Value]) -> Narrow:
    def by(request: Request, where: Where, values: list[str]) -> None:
        where.add(f"{column} >= ?", read(values[-1]))

    return by


# -- links


def kept(request: Request, *without: str) -> list[tuple[str, str]]:
    """What was asked, for a link to another page of it."""
    return [(name, value) for name, value in request.query if name not in without]


def query(request: Request, *without: str) -> str:
    return urlencode(kept(request, *without))


def after(request: Request, marker: str, *without: str) -> str:
    """The query of the page that begins behind `marker`."""
    return urlencode([*kept(request, "marker", *without), ("marker", marker)])


# -- fields


def fields_of(request: Request) -> set[str]:
    return set(request.asked_all("fields")) - {""}


def cut(record: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name in fields} if fields else record
