"""/v1/containers/{id}/container_actions: what was done to a container, by whom, and how it ended."""

from typing import Any

from trivet.api.container import said
from trivet.api.container.containers import CONTAINER
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers.actions import NEWEST, ServerAction
from trivet.errors import NotFound
from trivet.store.lists import Asked

resource = Resource()
PATH = f"{CONTAINER}/container_actions"
_NAMES = {
    "attach_interface": "network_attach",
    "detach_interface": "network_detach",
    "createImage": "commit",
    "resize": "resize_container",
}
"""Ours, where this service has other words."""


@resource.on("GET", PATH, may="reader")
async def index(request: Request) -> Reply:
    server = await said.found(request)
    asked = Asked(sort=NEWEST, absent=_absent)
    found = await server_actions.history(request.tx, server.id, asked, since=None, before=None)
    return Reply(200, {"containerActions": [_view(action) for action in found]})


@resource.on("GET", f"{PATH}/{{request_ident}}", may="reader")
async def show(request: Request) -> Reply:
    server = await said.found(request)
    action = await server_actions.by_request(request.tx, server.id, request.values["request_ident"])
    if action is None:
        raise _absent(request.values["request_ident"])
    view = _view(action)
    result = None if action.finished_at is None else "Error" if action.error else "Success"
    event = {
        "event": f"compute__do_container_{view['action']}",
        "start_time": view["start_time"],
        "finish_time": iso_micros(action.finished_at),
        "result": result,
        "traceback": action.error if request.caller.is_operator else None,
    }
    return Reply(200, view | {"events": [event]})


def _view(action: ServerAction) -> dict[str, Any]:
    return {
        "action": _NAMES.get(action.action, action.action),
        "container_uuid": action.server_id,
        "request_id": action.request_id,
        "user_id": action.user_id,
        "project_id": action.project_id,
        "start_time": iso_micros(action.started_at),
        "finish_time": iso_micros(action.finished_at),
        "message": action.error,
    }


def _absent(ident: str) -> NotFound:
    return NotFound("action.absent", f"The Action resource {ident[:64]} could not be found.")
