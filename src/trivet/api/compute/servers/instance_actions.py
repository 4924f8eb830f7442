"""/servers/{id}/os-instance-actions: what was done to a server, also to one that is gone (since 2.21)."""

from typing import Any

from trivet.api.compute import pages
from trivet.api.compute.servers.views import host_id, microsecond
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import servers
from trivet.domain.servers.actions import ServerAction
from trivet.errors import Invalid, NotFound

resource = Resource()
PATH = "/v2.1/servers/{server_id}/os-instance-actions"
_EVENTS = {
    "create": "compute__do_build_and_run_instance",
    "delete": "compute_terminate_instance",
    "resize": "compute_prep_resize",
    "confirmResize": "compute_confirm_resize",
    "revertResize": "compute_revert_resize",
    "createImage": "compute_snapshot_instance",
    "createBackup": "compute_backup_instance",
    "shelveOffload": "compute_shelve_offload_instance",
    "changePassword": "compute_set_admin_password",
    "trigger_crash_dump": "compute_trigger_crash_dump",
    "attach_interface": "compute_attach_interface",
    "detach_interface": "compute_detach_interface",
    "attach_volume": "compute_attach_volume",
    "detach_volume": "compute_detach_volume",
    "lock": "api_lock",
    "unlock": "api_unlock",
}
"""As operators know them; others are compute_ACTION_instance."""


@resource.on("GET", PATH, may="reader")
async def list_actions(request: Request) -> Reply:
    server_id = await _known(request)
    paged = request.version >= 2058
    since = pages.time_of(request, "changes-since") if paged else None
    before = pages.time_of(request, "changes-before") if request.version >= 2066 else None
    if since is not None and before is not None and before < since:
        raise Invalid("query.invalid", "The value of changes-since must be less than or equal to changes-before.")
    order = server_actions.NEWEST
    asked = pages.asked(request, order, named="request_id") if paged else pages.unpaged(order)
    found = await server_actions.history(request.tx, server_id, asked, since=since, before=before)
    body: dict[str, Any] = {"instanceActions": [_view(request, action) for action in found]}
    if paged:
        path = f"servers/{server_id}/os-instance-actions"
        pages.add_next(request, body, "", path, [action.request_id for action in found])
    return Reply(200, body)


@resource.on("GET", PATH + "/{request_id}", may="reader")
async def show(request: Request) -> Reply:
    server_id, request_id = await _known(request), request.values["request_id"]
    action = await server_actions.by_request(request.tx, server_id, request_id)
    if action is None:
        raise NotFound("action.absent", f"Action {request_id[:64]} not found")
    view = _view(request, action)
    operator = request.caller.is_operator
    if operator or request.version >= 2051:
        view["events"] = [await _event(request, action, operator=operator)]
    return Reply(200, {"instanceAction": view})


async def _known(request: Request) -> str:
    """Actions of a deleted server can be read since 2.21."""
    deleted = request.version >= 2021
    return (await servers.visible(request.tx, request.caller, request.values["server_id"], deleted=deleted)).id


def _view(request: Request, action: ServerAction) -> dict[str, Any]:
    view: dict[str, Any] = {
        "action": action.action,
        "instance_uuid": action.server_id,
        "request_id": action.request_id,
        "user_id": action.user_id,
        "project_id": action.project_id,
        "start_time": microsecond(action.started_at),
        "message": "Error" if action.error else None,
    }
    if request.version >= 2058:
        view["updated_at"] = microsecond(action.updated_at)
    return view


async def _event(request: Request, action: ServerAction, *, operator: bool) -> dict[str, Any]:
    """Everything that happens within an action is one event here."""
    result = None if action.finished_at is None else "Error" if action.error else "Success"
    event: dict[str, Any] = {
        "event": _EVENTS.get(action.action, f"compute_{action.action}_instance"),
        "start_time": microsecond(action.started_at),
        "finish_time": microsecond(action.finished_at),
        "result": result,
    }
    if operator:
        event["traceback"] = None
    if request.version >= 2062:
        host = await request.tx.get(HOSTS, action.host_id) if action.host_id else None
        if operator:
            event["host"] = host.name if host else None
        event["hostId"] = host_id(action.project_id, host.name) if host else ""
    if request.version >= 2084:
        # What went wrong is written for tenants, so they may read it.
        event["details"] = action.error
    return event
