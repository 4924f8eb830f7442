"""Pages: lists as this API spells them, for images, tasks and metadata definitions."""

from collections.abc import Iterable

from trivet.api.kit import lists
from trivet.api.kit.request import Request
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid, TrivetError


def _wrong_limit(name: str, said: str) -> TrivetError:
    negative = said.startswith("-") and whole_number(said[1:]) is not None
    return Invalid("query.limit", f"{name} param must be {'positive' if negative else 'an integer'}")


def _wrong_sort(why: lists.Wrong, said: str, keys: Iterable[str]) -> TrivetError:
    text = {
        "mixed": "Old and new sorting syntax cannot be combined",
        "count": "Number of sort dirs does not match the number of sort keys",
        "direction": f"Invalid sort direction: {said[:64]}",
        "key": f"Invalid sort key: {said[:64]}. It must be one of the following: {', '.join(keys)}.",
    }
    return Invalid("query.sort", text[why])


SPELLING = lists.Spelling(
    limit=25,
    limit_max=1000,
    wrong=_wrong_limit,
    absent=lambda marker: Invalid("query.marker", f"The marker {marker[:64]} is nothing that you can see."),
)
SORTING = lists.Sorting(
    first="created_at",
    direction="desc",
    joined=True,
    pairs="one_or_each",
    ties=(("created_at", "first"), ("id", "first")),
    wrong=_wrong_sort,
)


def links(request: Request, path: str, found: list[str]) -> dict[str, str]:
    """`first` and, where there may be more, `next`; `found` says by which markers its rows are known."""
    said = lists.after(request, found[-1]) if found and len(found) == lists.limit_of(request, SPELLING) else None
    here = lists.query(request, "marker")
    return {"first": path + (f"?{here}" if here else "")} | ({"next": f"{path}?{said}"} if said else {})
