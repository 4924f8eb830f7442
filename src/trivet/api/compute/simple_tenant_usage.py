"""/os-simple-tenant-usage: hours of memory, disk and CPU by project."""

from itertools import groupby
from typing import Any

from trivet.api.compute import pages
from trivet.api.compute.servers.views import microsecond
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import parse_iso
from trivet.domain.servers import usage
from trivet.domain.servers.usage import ServerUsage
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.store.lists import Asked

resource = Resource()
_WEEKS_S = 28 * 24 * 3600.0
_PAGED = 2040
_BY_ID = (("id", False),)


@resource.on("GET", "/v2.1/os-simple-tenant-usage", may="admin")
async def list_usages(request: Request) -> Reply:
    if request.path.endswith("/"):
        # Somebody asked for one project and forgot which.
        raise NotFound("project.unnamed", "The resource could not be found.")
    start, end = _span(request)
    found = await usage.within(request.tx, start, end, _asked(request), project_id=None)
    detailed = request.asked("detailed") == "1"
    by_project = sorted(found, key=lambda one: one.server.project_id)
    views = [
        _view(request, project_id, list(used), (start, end), detailed=detailed)
        for project_id, used in groupby(by_project, key=lambda one: one.server.project_id)
    ]
    return _reply(request, {"tenant_usages": views}, "tenant_usages", found)


@resource.on("GET", "/v2.1/os-simple-tenant-usage/{tenant_id}", may="reader")
async def show_usage(request: Request) -> Reply:
    project_id = request.values["tenant_id"]
    if not request.caller.may_see(project_id):
        raise Forbidden("policy.forbidden", "Policy doesn't allow os_compute_api:os-simple-tenant-usage:show.")
    span = _span(request)
    found = await usage.within(request.tx, *span, _asked(request), project_id=project_id)
    view = _view(request, project_id, found, span, detailed=True) if found else {}
    return _reply(request, {"tenant_usage": view}, "tenant_usage", found)


def _reply(request: Request, body: dict[str, Any], noun: str, found: list[ServerUsage]) -> Reply:
    if request.version >= _PAGED:
        path = request.path.partition("/v2.1/")[2]
        pages.add_next(request, body, noun, path, [one.server.id for one in found])
    return Reply(200, body)


def _asked(request: Request) -> Asked:
    return pages.asked(request, _BY_ID) if request.version >= _PAGED else pages.unpaged(_BY_ID)


def _span(request: Request) -> tuple[float, float]:
    now = request.parts.clock.now()
    start, end = _time(request, "start", now - _WEEKS_S), _time(request, "end", now)
    if end < start:
        raise Invalid("usage.span", "Invalid start time. The start time cannot occur after the end time.")
    return start, end


def _time(request: Request, name: str, otherwise: float) -> float:
    said = request.asked(name)
    if said is None:
        return otherwise
    try:
        return parse_iso(said)
    except ValueError as error:
        raise Invalid("usage.time", f"Datetime is in invalid format: {said[:64]!r}") from error


def _view(
    request: Request, project_id: str, used: list[ServerUsage], span: tuple[float, float], *, detailed: bool
) -> dict[str, Any]:
    view: dict[str, Any] = {
        "tenant_id": project_id,
        "start": microsecond(span[0]),
        "stop": microsecond(span[1]),
        "total_hours": sum(one.hours for one in used),
        "total_local_gb_usage": sum(one.hours * _gib(one) for one in used),
        "total_memory_mb_usage": sum(one.hours * one.server.flavor.ram_mib for one in used),
        "total_vcpus_usage": sum(one.hours * one.server.flavor.vcpus for one in used),
    }
    if detailed:
        now = request.parts.clock.now()
        view["server_usages"] = [_server(one, now) for one in used]
    return view


def _gib(one: ServerUsage) -> int:
    return one.server.flavor.disk_gib + one.server.flavor.ephemeral_gib


def _server(one: ServerUsage, now: float) -> dict[str, Any]:
    server = one.server
    assert server.launched_at is not None
    return {
        "instance_id": server.id,
        "name": server.name,
        "tenant_id": server.project_id,
        "flavor": server.flavor.name,
        "hours": one.hours,
        "memory_mb": server.flavor.ram_mib,
        "local_gb": _gib(one),
        "vcpus": server.flavor.vcpus,
        "started_at": microsecond(server.launched_at),
        "ended_at": microsecond(server.deleted_at),
        "uptime": int((server.deleted_at or now) - server.launched_at),
        "state": "terminated" if server.deleted_at is not None else server.status,
    }
