"""Pages as Masakari spells them: limit, marker, sort_key and sort_dir; there are no links to a next one."""

from collections.abc import Iterable

from trivet.api.kit import lists
from trivet.api.kit.request import Request
from trivet.errors import Invalid
from trivet.store.lists import Asked
from trivet.store.where import Where


def _wrong_sort(why: lists.Wrong, said: str, keys: Iterable[str]) -> Invalid:
    text = {
        "mixed": "Only sort_key and sort_dir say how to sort.",
        "count": "Sort direction size exceeds sort key size",
        "direction": f"Unknown sort direction, must be one of: asc, desc; not {said[:16]!r}.",
        "key": "Sort key supplied was not valid.",
    }
    return Invalid("query.sort", text[why])


_SPELLING = lists.Spelling(
    limit=1000,
    limit_max=1000,
    wrong=lambda name, said: Invalid("query.invalid", f"{name} must be an integer, not {said[:32]!r}"),
    absent=lambda marker: Invalid("marker.absent", f"Marker {marker[:64]} could not be found."),
)
_SORTING = lists.Sorting(first="created_at", direction="desc", pairs="last_repeated", wrong=_wrong_sort)


def asked(request: Request, columns: dict[str, str]) -> Asked:
    keys: dict[str, str | None] = {**columns}
    return lists.asked(request, _SPELLING, lists.sort_of(request, _SORTING, keys))


def narrow(request: Request, where: Where, names: dict[str, str]) -> Where:
    for name, column in names.items():
        said = request.asked(name)
        if said is not None:
            where.equal(column, said)
    return where


def flags(request: Request, where: Where, names: Iterable[str]) -> Where:
    for name in names:
        said = request.asked_flag(name)
        if said is not None:
            where.equal(name, int(said))
    return where
