"""Pages: limit, marker, offset and sort as this API spells them, and the link to the next one."""

import ast
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import flag
from trivet.api.volume.paths import base_of
from trivet.clock import parse_iso
from trivet.domain.numbers import whole_number
from trivet.domain.volumes.listing import Page, sorted_by
from trivet.errors import Invalid, NotFound
from trivet.store.tables import Record
from trivet.store.where import Where

_LIMIT_MAX = 1000
_NUMBER_MAX = 1 << 31
_COUNT_SINCE = 3045


def asked(request: Request, columns: dict[str, str]) -> Page:
    if request.path.endswith("/"):
        # Somebody forgot to put the id behind it: that one does not exist.
        raise NotFound("route.absent", "The resource could not be found.")
    return Page(
        sort=sorted_by(_sort(request), columns),
        limit=min(_number(request, "limit", _LIMIT_MAX), _LIMIT_MAX),
        offset=_number(request, "offset", 0),
        marker=request.asked("marker"),
        owner=None if request.caller.is_operator else request.caller.project_id,
    )


def _number(request: Request, name: str, otherwise: int) -> int:
    said = request.asked(name)
    if said is None:
        return otherwise
    number = whole_number(said)
    if number is None or number > _NUMBER_MAX:
        raise Invalid(
            "query.invalid", f"Invalid input received: {name} param must be a whole number, not {said[:32]!r}"
        )
    return number


def _sort(request: Request) -> list[tuple[str, bool]]:
    """sort=KEY[:DIRECTION],..., or the older sort_key and sort_dir."""
    said = request.asked("sort")
    if said is not None and (request.asked("sort_key") or request.asked("sort_dir")):
        raise Invalid(
            "query.sort", "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with 'sort'."
        )
    if said is None:
        key = request.asked("sort_key") or "created_at"
        return [(key, _down(request.asked("sort_dir") or "desc"))]
    pairs = [part.strip().partition(":") for part in said.split(",")]
    return [(key.strip(), _down(direction.strip() or "desc")) for key, _, direction in pairs]


def _down(direction: str) -> bool:
    if direction not in ("asc", "desc"):
        raise Invalid("query.sort", f"Unknown sort direction, must be 'desc' or 'asc', not {direction[:16]!r}.")
    return direction == "desc"


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
    limit = min(_number(request, "limit", _LIMIT_MAX), _LIMIT_MAX)
    if found and len(found) >= limit:
        said = [(name, value) for name, value in request.query if name not in ("marker", "offset")]
        query = urlencode([*said, ("marker", found[-1].id)])
        body[f"{noun}_links"] = [{"rel": "next", "href": f"{base_of(request)}/{path}?{query}"}]
    if count is not None:
        body["count"] = count
    return Reply(200, body)


def counted(request: Request) -> bool:
    return request.version >= _COUNT_SINCE and bool(request.asked_flag("with_count"))


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
            escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            where.add(f"{column} LIKE ? ESCAPE '\\'", f"%{escaped}%")
        else:
            where.equal(column, value)
    return where


def public_or_not(request: Request, where: Where) -> None:
    """Operators see the public ones unless they say otherwise; `None` is all of them."""
    said = request.asked("is_public")
    if request.caller.is_operator and (said or "").lower() != "none":
        where.equal("is_public", 1 if said is None else int(flag(said, "is_public")))


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
        wanted = [_holding(str(key), str(value)) for key, value in _pairs(request, name).items()]
    except ValueError:
        # A number of thousands of digits, or half a surrogate pair.
        raise _unreadable(name) from None
    for pattern in wanted:
        where.add(f"{column} LIKE ? ESCAPE '\\'", pattern)


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


def _holding(key: str, value: str) -> str:
    """What JSON text holds that has this pair; keys and values are words of which each is encoded alike."""
    pair = f"{msgspec.json.encode(key).decode()}:{msgspec.json.encode(value).decode()}"
    return "%" + pair.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
