"""Pages as this service spells them: limit, marker, sort_key and sort_dir, and a link to the next one."""

from collections.abc import Iterable

from trivet.api.kit import lists
from trivet.api.kit.request import Request
from trivet.errors import Invalid, NotFound
from trivet.store.lists import Asked

_MOST = 1000
_KEYS: dict[str, str | None] = {
    "id": "created_at", "uuid": "id", "name": "name", "status": "status", "project_id": "project_id",
    "user_id": "user_id", "created_at": "created_at", "updated_at": "updated_at", "hostname": "hostname",
}  # fmt: skip


def _wrong_sort(why: lists.Wrong, said: str, keys: Iterable[str]) -> Invalid:
    text = {
        "mixed": "Only sort_key and sort_dir say how to sort.",
        "count": "There are more sort directions than keys.",
        "direction": f"Invalid sort direction: {said[:16]}. Acceptable values are 'asc' or 'desc'",
        "key": f"Invalid sort key: {said[:64]}. It may be one of {', '.join(keys)}.",
    }
    return Invalid("query.sort", text[why])


_SPELLING = lists.Spelling(
    limit=_MOST,
    limit_max=_MOST,
    wrong=lambda name, said: Invalid("query.invalid", "Limit must be positive integer"),
    absent=lambda marker: NotFound("marker.absent", f"Marker {marker[:64]} could not be found."),
)
_SORTING = lists.Sorting(first="id", direction="asc", pairs="last_repeated", wrong=_wrong_sort)


def asked(request: Request) -> Asked:
    if request.asked("limit") in ("0", "-1"):
        raise _SPELLING.wrong("limit", "0")
    return lists.asked(request, _SPELLING, lists.sort_of(request, _SORTING, _KEYS))


def next_of(request: Request, path: str, ids: list[str]) -> str | None:
    """Only who said how many hears of more."""
    if not ids or request.asked("limit") is None or len(ids) < (lists.limit_of(request, _SPELLING) or _MOST):
        return None
    return f"{request.url}{path}?{lists.after(request, ids[-1])}"
