"""Pages: limit and offset as this API takes them, which it never refuses, and the links to those beside."""

from typing import Any
from urllib.parse import urlencode

from trivet.api.kit.request import Reply, Request
from trivet.domain.key_manager.listing import Page
from trivet.domain.numbers import whole_number

_LIMIT, _LIMIT_MAX, _OFFSET_MAX = 10, 100, (1 << 31) - 1


def asked(request: Request) -> Page:
    limit = _number(request.asked("limit"), _LIMIT)
    offset = _number(request.asked("offset"), 0)
    return Page(min(max(limit, 1), _LIMIT_MAX), offset if offset <= _OFFSET_MAX else 0)


def _number(said: str | None, otherwise: int) -> int:
    number = whole_number(said) if said else None
    return otherwise if number is None else number


def reply(request: Request, noun: str, path: str, views: list[Any], total: int) -> Reply:
    page = asked(request)
    body: dict[str, Any] = {noun: views, "total": total}
    if views and page.offset > 0:
        body["previous"] = _link(request, path, page.limit, max(0, page.offset - page.limit))
    if views and total > page.offset + page.limit:
        body["next"] = _link(request, path, page.limit, page.offset + page.limit)
    return Reply(200, body)


def _link(request: Request, path: str, limit: int, offset: int) -> str:
    said = [(name, value) for name, value in request.query if name not in ("limit", "offset")]
    more = f"&{urlencode(said)}" if said else ""
    return f"{request.url}/v1/{path}?limit={limit}&offset={offset}{more}"
