"""/v1/alarms/root-causes: what the cloud takes for the cause of alarms and reports, how sure it is, and by what."""

from typing import Any

from trivet.api.alarms import views
from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.causes import root_causes
from trivet.domain.causes.root_causes import RootCause
from trivet.store.where import Where

resource = Resource()
_SAYS = {"probe": ("host", "probe"), "monitor": ("component",), "report": ("fault_report_id",)}


@resource.on("GET", "/root-causes", may="operator")
async def index(request: Request) -> Reply:
    """The newest first. `open=true`: only what is not over."""
    where = Where()
    open_only = request.asked_flag("open")
    if open_only is not None:
        where.add("ended_at IS NULL" if open_only else "ended_at IS NOT NULL")
    if (component := request.asked("component")) is not None:
        where.equal("component", component)
    asked = lists.asked(request, views.SPELLING, root_causes.NEWEST)
    found = await root_causes.page(request.tx, where, asked)
    return Reply(200, {"root_causes": [_view(one) for one in found]})


@resource.on("GET", "/root-causes/{root_cause_id}", may="operator")
async def show(request: Request) -> Reply:
    return Reply(200, {"root_cause": _view(await root_causes.needed(request.tx, request.values["root_cause_id"]))})


def _view(found: RootCause) -> dict[str, Any]:
    return {
        "id": found.id,
        "component": found.component,
        "alarm_id": found.alarm_id,
        "confidence": found.confidence,
        "seen_by_the_cloud": found.seen,
        "independent_reporters": found.witnesses,
        "evidence": [_evidence(sign) for sign in found.evidence],
        "why_ended": found.why_ended,
        "found_at": iso_micros(found.found_at, "Z"),
        "changed_at": iso_micros(found.changed_at, "Z"),
        "ended_at": iso_micros(found.ended_at, "Z"),
    }


def _evidence(sign: str) -> dict[str, str]:
    kind, _, rest = sign.partition(":")
    names = _SAYS[kind]
    return {"kind": kind} | dict(zip(names, rest.split(":", len(names) - 1), strict=True))
