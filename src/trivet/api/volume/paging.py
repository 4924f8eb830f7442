"""Pages: lists as this API spells them, what they are narrowed by, and the link to the next one."""

import ast
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import flag
from trivet.api.volume.paths import base_of
from trivet.clock import parse_iso
from trivet.errors import Invalid, NotFound
from trivet.store import lists as store_lists
from trivet.store.tables import R, Record, Table
from trivet.store.where import Where

_COUNT_SINCE = 3045


def _wrong_sort(why: lists.Wrong, said: str, keys: Iterable[str]) -> Invalid:
    text = {
        "mixed": "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with 'sort'.",
        "count": "There must be as many sort directions as sort keys.",
        "direction": f"Unknown sort direction, must be 'desc' or 'asc', not {said[:16]!r}.",
        "key": f"Sort key {said[:64]!r} is none; it is one of {', '.join(sorted(keys))}.",
    }
    return Invalid("query.sort", text[why])


_SPELLING = lists.Spelling(
    limit=1000,
    limit_max=1000,
    number_max=1 << 31,
    wrong=lambda name, said: Invalid(
        "query.invalid", f"Invalid input received: {name} param must be a whole number, not {said[:32]!r}"
    ),
    absent=lambda marker: Invalid("marker.absent", f"marker [{marker[:64]}] not found", status=404),
)
_SORTING = lists.Sorting(first="created_at", direction="desc", joined=True, pairs="each", wrong=_wrong_sort)


async def find(request: Request, table: Table[R], columns: dict[str, str], where: Where, *, seen: Where) -> list[R]:
    if request.path.endswith("/"):
        # Somebody forgot to put the id behind it: that one does not exist.
        raise NotFound("route.absent", "The resource could not be found.")
    keys = {key: table.ordered(column) for key, column in columns.items()}
    asked = lists.asked(request, _SPELLING, lists.sort_of(request, _SORTING, keys))
    asked = msgspec.structs.replace(asked, offset=lists.offset_of(request, _SPELLING))
    return await store_lists.page(request.tx, table, where, asked, seen=seen)


def page_of(
    request: Request,
    noun: str,
    path: str,
    found: Sequence[Record],
    views: list[dict[str, Any]],
    *,
    count: int | None = None,
) -> Reply:
    body: dict[str, Any] = {noun: views}
    if found and len(found) == lists.limit_of(request, _SPELLING):
        query = lists.after(request, found[-1].id, "offset")
        body[f"{noun}_links"] = [{"rel": "next", "href": f"{base_of(request)}/{path}?{query}"}]
    if count is not None:
        body["count"] = count
    return Reply(200, body)


async def count(request: Request, table: Table[R], where: Where) -> int | None:
    """Of all pages together, if it was asked for."""
    if request.version < _COUNT_SINCE or not request.asked_flag("with_count"):
        return None
    return await store_lists.count(request.tx, table.name, where)


def scoped(request: Request) -> Where:
    """One's own, or for an operator who asks for them everybody's."""
    where = Where()
    if request.asked_flag("all_tenants") and request.caller.is_operator:
        project_id = request.asked("project_id") or request.asked("tenant_id")
        return where.equal("project_id", project_id) if project_id else where
    if request.caller.system and request.caller.has("reader"):
        return where
    return where.equal("project_id", request.caller.project_id)


def filtered(request: Request, where: Where, columns: dict[str, str]) -> Where:
    """Plain filters; NAME~ finds what contains the word, since 3.34. What is not known filters nothing."""
    for name, value in request.query:
        like = name.endswith("~") and request.version >= 3034
        column = columns.get(name.removesuffix("~") if like else name)
        if column is None:
            continue
        if like:
            where.holding(column, value)
        else:
            where.equal(column, value)
    return where


def public_or_not(request: Request, where: Where) -> Where:
    """Operators see the public ones unless they say otherwise; `None` is all of them."""
    said = request.asked("is_public")
    if request.caller.is_operator and (said or "").lower() != "none":
        where.equal("is_public", 1 if said is None else int(flag(said, "is_public")))
    return where


_COMPARED = {"gt": ">", "gte": ">=", "eq": "=", "neq": "<>", "lt": "<", "lte": "<="}


_COMPARISONS_MAX = 16


def at_times(request: Request, where: Where) -> None:
    """created_at=gt:2026-01-31T12:00:00, since 3.60."""
    for name in ("created_at", "updated_at"):
        said = request.asked(name)
        if said is None or request.version < 3060:
            continue
        parts = said.split(",")
        if len(parts) > _COMPARISONS_MAX:
            raise Invalid("query.invalid", f"{name} is compared with {_COMPARISONS_MAX} times at most.")
        for part in parts:
            operator, colon, text = part.partition(":")
            if not colon or operator not in _COMPARED:
                operator, text = "eq", part
            try:
                where.add(f"{name} {_COMPARED[operator]} ?", parse_iso(text))
            except ValueError as error:
                raise Invalid("query.invalid", f"{name} is no ISO 8601 time: {text[:40]!r}.") from error


def by_metadata(request: Request, where: Where, name: str, column: str) -> None:
    try:
        wanted = [_pair(str(key), str(value)) for key, value in _pairs(request, name).items()]
    except ValueError:
        # A number of thousands of digits, or half a surrogate pair.
        raise _unreadable(name) from None
    for pair in wanted:
        where.holding(column, pair)


def _pairs(request: Request, name: str) -> dict[Any, Any]:
    """{'key': 'value'}, as Python would write it: that is what clients send."""
    said = request.asked(name)
    if said is None:
        return {}
    try:
        found = ast.literal_eval(said) if len(said) <= 4096 else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _unreadable(name)
    return found


def _unreadable(name: str) -> Invalid:
    return Invalid("query.invalid", f"Invalid filter {name}: it must be like {{'key': 'value'}}.")


def _pair(key: str, value: str) -> str:
    """As it stands in JSON text; keys and values are words of which each is encoded alike."""
    return f"{msgspec.json.encode(key).decode()}:{msgspec.json.encode(value).decode()}"
