"""/v1/alarms: what is wrong, or was; acknowledged and cleared by those whose it is."""

from typing import get_args

from msgspec import UNSET, UnsetType

from trivet.api.alarms import views
from trivet.api.kit import lists
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.alarms import alarms
from trivet.domain.alarms.words import EventType, Severity
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()
_FILTERS = {"object_type": "object_type", "object_id": "object_id", "root_alarm_id": "root_id"}


class Change(Body, frozen=True, kw_only=True):
    acknowledged: bool | UnsetType = UNSET
    cleared: bool | UnsetType = UNSET


class ChangeBody(Body, frozen=True, kw_only=True):
    alarm: Change


@resource.on("GET", "/", may="reader")
async def index(request: Request) -> Reply:
    """The newest first. `open=true`: only what is not over."""
    seen = alarms.seen_by(request.caller)
    where = seen.copy()
    for name, column in _FILTERS.items():
        if (said := request.asked(name)) is not None:
            where.equal(column, said)
    _of(request, where, "perceived_severity", "severity", get_args(Severity))
    _of(request, where, "event_type", "event_type", get_args(EventType))
    open_only = request.asked_flag("open")
    if open_only is not None:
        where.add("cleared_at IS NULL" if open_only else "cleared_at IS NOT NULL")
    found = await alarms.page(request.tx, where, lists.asked(request, views.SPELLING, alarms.NEWEST), seen=seen)
    below = await alarms.children(request.tx, [one.id for one in found], seen)
    return Reply(200, {"alarms": [views.alarm(one, below[one.id]) for one in found]})


def _of(request: Request, where: Where, name: str, column: str, known: tuple[str, ...]) -> None:
    said = request.asked_all(name)
    for word in said:
        if word not in known:
            raise Invalid("query.invalid", f"{name} is one of {', '.join(known)}, not {word[:64]!r}.")
    if said:
        where.any_of(column, said)


@resource.on("GET", "/{alarm_id}", may="reader")
async def show(request: Request) -> Reply:
    found = await alarms.visible(request.tx, request.caller, request.values["alarm_id"])
    return Reply(200, {"alarm": await _view(request, found)})


@resource.on("PATCH", "/{alarm_id}", may="member")
async def change(request: Request) -> Reply:
    said = request.read(ChangeBody).alarm
    found = await alarms.changeable(request.tx, request.caller, request.values["alarm_id"])
    if said.acknowledged is UNSET and said.cleared is UNSET:
        raise Invalid("body.invalid", "Say acknowledged, cleared, or both.")
    if said.cleared is False:
        raise Invalid("body.invalid", "What is over stays so: the cloud raises an alarm anew where it finds a fault.")
    if said.acknowledged is not UNSET:
        found = await alarms.acknowledge(request.tx, request.caller, found, yes=said.acknowledged)
    if said.cleared is True:
        found = await alarms.clear_by_hand(request.tx, found)
    return Reply(200, {"alarm": await _view(request, found)})


async def _view(request: Request, found: alarms.Alarm) -> dict[str, object]:
    below = await alarms.children(request.tx, [found.id], alarms.seen_by(request.caller))
    return views.alarm(found, below[found.id])
