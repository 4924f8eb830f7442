"""Pages and links, as all of compute spells them: limit, marker, `self`, `bookmark` and `next`."""

from collections.abc import Sequence
from urllib.parse import urlencode

from trivet.api.kit.request import Request
from trivet.errors import Invalid

LIMIT_MAX = 1000


def limit(request: Request, name: str = "limit") -> int | None:
    said = request.asked(name)
    return None if said is None else _count(name, said)


def offset(request: Request) -> int:
    said = request.asked("offset")
    return 0 if said is None else _count("offset", said)


def cut(request: Request, found: Sequence[object]) -> slice:
    """What limit and offset leave of a list that was read whole."""
    start = offset(request)
    asked = limit(request)
    return slice(start, min(start + (LIMIT_MAX if asked is None else min(asked, LIMIT_MAX)), len(found)))


def _count(name: str, said: str) -> int:
    if not said.isascii() or not said.isdigit() or len(said) > 18:
        raise Invalid(
            "query.invalid", f"Invalid input for query parameters {name}. Value: {said[:64]!r} is not a whole number."
        )
    return int(said)


def known(request: Request, names: set[str], *, since: int) -> None:
    """From `since` on, what is not known is refused."""
    if request.version >= since:
        for name, _ in request.query:
            if name not in names:
                raise Invalid("query.unknown", f"Additional properties are not allowed ({name[:64]!r} was unexpected)")


def links(request: Request, collection: str, id: str) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{request.url}/v2.1/{collection}/{id}"},
        {"rel": "bookmark", "href": f"{request.url}/{collection}/{id}"},
    ]


def next_link(request: Request, collection: str, marker: str) -> list[dict[str, str]]:
    asked = [(name, value) for name, value in request.query if name != "marker"]
    return [{"rel": "next", "href": f"{request.url}/v2.1/{collection}?{urlencode([*asked, ('marker', marker)])}"}]
