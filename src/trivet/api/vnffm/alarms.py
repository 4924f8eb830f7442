"""/v1/alarms of SOL003, clause 7.4.2."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit import lists
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.alarms import alarms, sol003
from trivet.domain.alarms.alarms import Alarm
from trivet.errors import Conflict, Invalid
from trivet.store.where import Where

resource = Resource()
_VALUES_MOST = 100
_ABSENT = "nextpage_opaque_marker"
_SPELLING = lists.Spelling(
    limit=100,
    limit_max=1000,
    wrong=lambda name, said: Invalid("query.invalid", f"{name} must be a whole number, not {said[:32]!r}."),
    absent=lambda marker: Invalid("marker.absent", f"There is no page after {marker[:64]}."),
)
_COLUMNS = {
    "id": "id",
    "managedObjectId": "object_id",
    "perceivedSeverity": "severity",
    "eventType": "event_type",
    "probableCause": "probable_cause",
}


class AlarmModifications(Body, frozen=True, kw_only=True):
    ackState: Literal["ACKNOWLEDGED", "UNACKNOWLEDGED"] | UnsetType = UNSET  # noqa: N815


@resource.on("GET", "/v1/alarms", may="reader")
async def index(request: Request) -> Reply:
    seen = alarms.seen_by(request.caller)
    where = _filtered(request, seen.copy())
    asked = lists.asked(request, _SPELLING, alarms.NEWEST)
    asked = msgspec.structs.replace(asked, marker=request.asked(_ABSENT))
    found = await alarms.page(request.tx, where, asked, seen=seen)
    below = await alarms.children(request.tx, [one.id for one in found], seen)
    headers = []
    if found and len(found) == asked.limit:
        url = f"{request.url}/v1/alarms?{_ABSENT}={found[-1].id}"
        headers.append((b"link", f'<{url}>; rel="next"'.encode()))
    return Reply(200, [_view(request, one, below[one.id]) for one in found], headers)


@resource.on("GET", "/v1/alarms/{alarm_id}", may="reader")
async def show(request: Request) -> Reply:
    found = await alarms.visible(request.tx, request.caller, request.values["alarm_id"])
    below = await alarms.children(request.tx, [found.id], alarms.seen_by(request.caller))
    return Reply(200, _view(request, found, below[found.id]), [_etag(found)])


@resource.on("PATCH", "/v1/alarms/{alarm_id}", may="member")
async def change(request: Request) -> Reply:
    said = request.read(AlarmModifications)
    found = await alarms.changeable(request.tx, request.caller, request.values["alarm_id"])
    matching = request.header("if-match")
    if matching is not None and matching.strip('"') != str(found.revision):
        raise Conflict("alarm.changed", "The alarm has changed since it was read.", status=412)
    if said.ackState is UNSET:
        raise Invalid("body.invalid", "ackState must be said.")
    found = await alarms.acknowledge(request.tx, request.caller, found, yes=said.ackState == "ACKNOWLEDGED")
    return Reply(200, {"ackState": said.ackState}, [_etag(found)])


def _etag(found: Alarm) -> tuple[bytes, bytes]:
    return b"etag", f'"{found.revision}"'.encode()


def _view(request: Request, found: Alarm, below: list[str]) -> dict[str, Any]:
    correlated = [*([found.root_id] if found.root_id is not None else []), *below]
    return sol003.alarm(alarms.shown(found), correlated, request.parts.settings.url)


def _filtered(request: Request, where: Where) -> Where:
    """?filter=(eq,perceivedSeverity,CRITICAL);(in,eventType,A,B), of the attributes that SOL003 lets clients use."""
    said = request.asked("filter")
    if said is None:
        return where
    for part in said.split(";"):
        inner = part[1:-1] if part[:1] + part[-1:] == "()" else ""
        how, _, rest = inner.partition(",")
        attribute, _, values = rest.partition(",")
        column = _COLUMNS.get(attribute.removeprefix("/"))
        if how not in ("eq", "in", "neq", "nin") or column is None or not values:
            raise Invalid("query.filter", f"This filter is not understood: {part[:100]!r}.")
        (where.any_of if how in ("eq", "in") else where.none_of)(column, values.split(",")[:_VALUES_MOST])
    return where
