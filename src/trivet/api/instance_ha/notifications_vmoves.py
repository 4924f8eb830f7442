"""/v1/notifications/{notification_id}/vmoves: which servers were brought back, and where to."""

from typing import Any

from trivet.api.instance_ha import pages
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.recovery import notifications, vmoves
from trivet.domain.recovery.vmoves import VMove
from trivet.store.where import Where

resource = Resource()
_ALL = "/v1/notifications/{notification_id}/vmoves"
_SINCE = "1.3"
_COLUMNS = {"id": "number", "uuid": "id", "instance_uuid": "server_id", "instance_name": "server_name",
            "start_time": "COALESCE(start_time, -1)", "end_time": "COALESCE(end_time, -1)",
            "dest_host": "COALESCE(dest_host, '')"} | {
    name: name for name in ("created_at", "type", "status", "source_host")
}  # fmt: skip


@resource.on("GET", _ALL, may="operator", since=_SINCE)
async def index(request: Request) -> Reply:
    notification = await notifications.needed(request.tx, request.values["notification_id"])
    where = pages.narrow(request, Where(), {"status": "status", "type": "type"})
    found = await vmoves.page(request.tx, notification, where, pages.asked(request, _COLUMNS))
    return Reply(200, {"vmoves": [_view(one) for one in found]})


@resource.on("GET", _ALL + "/{vmove_id}", may="operator", since=_SINCE)
async def show(request: Request) -> Reply:
    notification = await notifications.needed(request.tx, request.values["notification_id"])
    return Reply(200, {"vmove": _view(await vmoves.needed(request.tx, notification, request.values["vmove_id"]))})


def _view(found: VMove) -> dict[str, Any]:
    return {
        "id": found.number,
        "uuid": found.id,
        "notification_uuid": found.notification_id,
        "instance_uuid": found.server_id,
        "instance_name": found.server_name,
        "source_host": found.source_host,
        "dest_host": found.dest_host,
        "type": found.type,
        "status": found.status,
        "message": found.message,
        "start_time": iso_micros(found.start_time),
        "end_time": iso_micros(found.end_time),
        "created_at": iso_micros(found.created_at),
        "updated_at": iso_micros(found.end_time or found.start_time),
        "deleted": False,
        "deleted_at": None,
    }
