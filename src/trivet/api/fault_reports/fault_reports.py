"""/v1/fault-reports: what a tenant says is wrong with a server, port or volume of his, and what became of that."""

from typing import Annotated, Any, get_args

import msgspec

from trivet.api.kit import lists
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.causes import fault_reports, root_causes
from trivet.domain.causes.fault_reports import FaultReport, State, Wanted
from trivet.domain.causes.root_causes import RootCause
from trivet.domain.causes.words import SHOWN_AS, ReportedType, Symptom, kind_of
from trivet.errors import Invalid

resource = Resource()
_SPELLING = lists.Spelling(
    limit=100,
    limit_max=1000,
    wrong=lambda name, said: Invalid("query.invalid", f"{name} must be a whole number, not {said[:32]!r}."),
    absent=lambda marker: Invalid("marker.absent", f"There is no marker {marker[:64]}."),
)
_WORDS: dict[str, tuple[str, ...]] = {
    "object_type": get_args(ReportedType),
    "symptom": get_args(Symptom),
    "state": get_args(State),
}


class NewReport(Body, frozen=True, kw_only=True):
    object_type: ReportedType
    object_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    symptom: Symptom
    detail: Annotated[str, msgspec.Meta(max_length=fault_reports.DETAIL_MAX)] = ""


class NewBody(Body, frozen=True, kw_only=True):
    fault_report: NewReport


@resource.on("POST", "/", may="member")
async def create(request: Request) -> Reply:
    """201; or 200 with the one that is open already and says the same."""
    said = request.read(NewBody).fault_report
    wanted = Wanted(object_type=said.object_type, object_id=said.object_id, symptom=said.symptom, detail=said.detail)
    made, new = await fault_reports.report(request.tx, request.caller, wanted)
    return Reply(201 if new else 200, {"fault_report": await _one(request, made)})


@resource.on("GET", "/", may="reader")
async def index(request: Request) -> Reply:
    """The newest first: a tenant's own, and all for the operator."""
    seen = fault_reports.seen_by(request.caller)
    where = seen.copy()
    for name, known in _WORDS.items():
        if (said := request.asked(name)) is not None:
            if said not in known:
                raise Invalid("query.invalid", f"{name} is one of {', '.join(known)}, not {said[:64]!r}.")
            where.equal(name, said)
    for name in ("object_id", "project_id"):
        if (said := request.asked(name)) is not None:
            where.equal(name, said)
    asked = lists.asked(request, _SPELLING, fault_reports.NEWEST)
    found = await fault_reports.page(request.tx, where, asked, seen=seen)
    causes = await root_causes.of_reports(request.tx, found)
    return Reply(200, {"fault_reports": [_view(request, one, causes) for one in found]})


@resource.on("GET", "/{fault_report_id}", may="reader")
async def show(request: Request) -> Reply:
    found = await fault_reports.visible(request.tx, request.caller, request.values["fault_report_id"])
    return Reply(200, {"fault_report": await _one(request, found)})


@resource.on("DELETE", "/{fault_report_id}", may="member")
async def withdraw(request: Request) -> Reply:
    """It is kept, as withdrawn."""
    await fault_reports.withdraw(request.tx, request.caller, request.values["fault_report_id"])
    return Reply(204)


async def _one(request: Request, found: FaultReport) -> dict[str, Any]:
    return _view(request, found, await root_causes.of_reports(request.tx, [found]))


def _view(request: Request, found: FaultReport, causes: dict[str, RootCause]) -> dict[str, Any]:
    """What stands beneath belongs to others, too: a tenant hears of what kind it is, the operator which one."""
    cause = causes.get(found.cause_id or "")
    shown = None
    if cause is not None:
        shown = {
            "kind": SHOWN_AS[kind_of(cause.component)],
            "confidence": round(cause.confidence, 2),
            "found_at": iso_micros(cause.found_at, "Z"),
            "over_at": iso_micros(cause.ended_at, "Z"),
        }
        if request.caller.may_see(None):
            shown |= {"id": cause.id, "component": cause.component}
    return {
        "id": found.id,
        "project_id": found.project_id,
        "user_id": found.user_id,
        "object": {"type": found.object_type, "id": found.object_id, "name": found.object_name},
        "symptom": found.symptom,
        "detail": found.detail,
        "state": found.state,
        "times": found.times,
        "cause": shown,
        "created_at": iso_micros(found.created_at, "Z"),
        "last_reported_at": iso_micros(found.last_at, "Z"),
        "ended_at": iso_micros(found.ended_at, "Z"),
    }
