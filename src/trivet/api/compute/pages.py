"""Pages and links, as all of compute spells them: limit, marker, `self`, `bookmark` and `next`."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from trivet.api.kit.request import Reply, Request
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid
from trivet.store.tables import Record

LIMIT_MAX = 1000


def limit(request: Request) -> int:
    said = request.asked("limit")
    return LIMIT_MAX if said is None else min(_count("limit", said), LIMIT_MAX)


def offset(request: Request) -> int:
    said = request.asked("offset")
    return 0 if said is None else _count("offset", said)


def cut(request: Request, found: Sequence[object]) -> slice:
    """What limit and offset leave of a list that was read whole."""
    start = offset(request)
    return slice(start, min(start + limit(request), len(found)))


def _count(name: str, said: str) -> int:
    number = whole_number(said)
    if number is None:
        raise Invalid(
            "query.invalid", f"Invalid input for query parameters {name}. Value: {said[:64]!r} is not a whole number."
        )
    return number


def known(request: Request, names: set[str], *, since: int) -> None:
    """Refuses unknown query parameters from version `since` on."""
    if request.version >= since:
        for name, _ in request.query:
            if name not in names:
                raise Invalid("query.unknown", f"Additional properties are not allowed ({name[:64]!r} was unexpected)")


def links(request: Request, collection: str, id: str) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{request.url}/v2.1/{collection}/{id}"},
        {"rel": "bookmark", "href": f"{request.url}/{collection}/{id}"},
    ]


def page(request: Request, noun: str, collection: str, found: Sequence[Record], views: list[dict[str, Any]]) -> Reply:
    """Of what `found` says, which is as long as the limit at the most: if it is as long, there may be more."""
    body: dict[str, Any] = {noun: views}
    if found and len(found) >= limit(request):
        body[f"{noun}_links"] = next_link(request, collection, found[-1].id)
    return Reply(200, body)


def next_link(request: Request, collection: str, marker: str) -> list[dict[str, str]]:
    asked = [(name, value) for name, value in request.query if name != "marker"]
    return [{"rel": "next", "href": f"{request.url}/v2.1/{collection}?{urlencode([*asked, ('marker', marker)])}"}]
