"""Pages and links, as all of compute spells them: limit, marker, `self`, `bookmark` and `next`."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.clock import parse_iso
from trivet.errors import Invalid
from trivet.store.lists import Asked
from trivet.store.tables import Record
from trivet.store.where import Sort

T = TypeVar("T")


def _wrong_number(name: str, said: str) -> Invalid:
    return Invalid(
        "query.invalid", f"Invalid input for query parameters {name}. Value: {said[:64]!r} is not a whole number."
    )


def _wrong_sort(why: lists.Wrong, said: str, keys: Iterable[str]) -> Invalid:
    if why == "key":
        return Invalid("sort.invalid", f"Invalid input for query parameters sort_key. Value: {said[:64]!r}.")
    return Invalid("sort.invalid", "Unknown sort direction, must be 'desc' or 'asc'")


SPELLING = lists.Spelling(
    limit=1000,
    limit_max=1000,
    wrong=_wrong_number,
    absent=lambda marker: Invalid("marker.absent", f"marker [{marker[:255]}] not found"),
)
SORTING = lists.Sorting(
    first=None,
    direction="desc",
    pairs="last_repeated",
    ties=(("created_at", "desc"), ("id", "desc")),
    wrong=_wrong_sort,
)


def asked(request: Request, sort: Sort, *, named: str = "id") -> Asked:
    return lists.asked(request, SPELLING, sort, named=named)


def by_offset(request: Request, sort: Sort) -> Asked:
    """Of what is older than markers: limit and offset."""
    limit, offset = lists.limit_of(request, SPELLING), lists.offset_of(request, SPELLING)
    return Asked(sort=sort, limit=limit, offset=offset, absent=SPELLING.absent)


def few(request: Request, found: Sequence[T]) -> Sequence[T]:
    """The same of what one thing has, which is few and read whole."""
    start = lists.offset_of(request, SPELLING)
    return found[start:][: lists.limit_of(request, SPELLING)]


def unpaged(sort: Sort) -> Asked:
    """At a version that knows no pages."""
    return Asked(sort=sort, absent=SPELLING.absent)


def time_of(request: Request, name: str) -> float | None:
    """Of a list that is asked for what changed."""
    said = request.asked(name)
    if said is None:
        return None
    try:
        # A plus that was sent as it is came in as a space.
        return parse_iso(said.replace(" ", "+"))
    except ValueError as error:
        raise Invalid("query.invalid", f"Invalid input for query parameters {name}. Value: {said[:64]!r}.") from error


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


def page(request: Request, noun: str, path: str, found: Sequence[Record], views: list[dict[str, Any]]) -> Reply:
    """Of what `found` says, which is as long as the limit at the most: if it is as long, there may be more."""
    body: dict[str, Any] = {noun: views}
    add_next(request, body, noun, path, [one.id for one in found])
    return Reply(200, body)


def add_next(request: Request, body: dict[str, Any], noun: str, path: str, found: Sequence[str]) -> None:
    """`found`: by which markers the rows of this page are known. Where there is no noun they are just `links`."""
    if found and len(found) == lists.limit_of(request, SPELLING):
        href = f"{request.url}/v2.1/{path}?{lists.after(request, found[-1])}"
        body[f"{noun}_links" if noun else "links"] = [{"rel": "next", "href": href}]
