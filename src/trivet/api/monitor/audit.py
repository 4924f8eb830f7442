"""/v1/audit: who changed what, from the log that every change is written to."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.numbers import whole_number
from trivet.domain.watch import audit
from trivet.errors import Invalid

resource = Resource()

_NUMBERS = ("after", "since", "limit")


@resource.on("GET", "/v1/audit", may="operator")
async def index(request: Request) -> Reply:
    """`after` is the number of the last entry that is known; without it come the newest."""
    unknown = {name for name, _ in request.query} - {*audit.FILTERS, *_NUMBERS}
    if unknown:
        known = ", ".join((*audit.FILTERS, *_NUMBERS))
        raise Invalid("query.unknown", f"There is no filter {sorted(unknown)[0][:64]!r}; there are {known}.")
    asked = {name: value for name in audit.FILTERS if (value := request.asked(name)) is not None}
    numbers = {name: _number(request, name) for name in _NUMBERS}
    limit = numbers["limit"] if numbers["limit"] is not None else 100
    if not 0 < limit <= audit.ENTRIES_MAX:
        raise Invalid("query.limit", f"limit must be from 1 to {audit.ENTRIES_MAX}.")
    since = float(numbers["since"]) if numbers["since"] is not None else None
    found = await audit.search(request.tx, asked, after=numbers["after"], since=since, limit=limit)
    return Reply(
        200,
        {
            "entries": [
                {
                    "seq": entry.seq,
                    "at": iso(entry.at),
                    "verb": entry.verb,
                    "noun": entry.noun,
                    "id": entry.id,
                    "project_id": entry.project_id,
                    "host_id": entry.host_id,
                    "user_id": entry.user_id,
                    "request_id": entry.request_id,
                }
                for entry in found
            ]
        },
    )


def _number(request: Request, name: str) -> int | None:
    said = request.asked(name)
    if said is None:
        return None
    number = whole_number(said)
    if number is None:
        raise Invalid("query.number", f"{name} must be a whole number, not {said[:64]!r}.")
    return number
