"""/v1/notifications: what monitors say of failures, and what came of it."""

from typing import Annotated, Any, Literal

import msgspec

from trivet.api.instance_ha import pages
from trivet.api.kit.bodies import Body, Uuid
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros, parse_iso
from trivet.domain.recovery import notifications, vmoves
from trivet.domain.recovery.notifications import Notification, Type
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()
_DETAILS_SINCE = 1001
_Event = Literal["STARTED", "STOPPED"]
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_FILTERS = {"status": "status", "source_host_uuid": "ha_host_id", "type": "type"}
_COLUMNS = {"id": "number", "notification_uuid": "id", "generated_time": "generated_at",
            "source_host_uuid": "ha_host_id", "updated_at": "COALESCE(updated_at, -1)"} | {
    name: name for name in ("created_at", "type", "status")
}  # fmt: skip


class OfHost(Body, frozen=True, kw_only=True):
    event: _Event
    host_status: Literal["NORMAL", "UNKNOWN"] | None = None
    cluster_status: Literal["ONLINE", "OFFLINE"] | None = None


class OfProcess(Body, frozen=True, kw_only=True):
    event: _Event
    process_name: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class OfMachine(Body, frozen=True, kw_only=True):
    event: _Word
    instance_uuid: Uuid
    vir_domain_event: _Word


class NewNotification(Body, frozen=True, kw_only=True):
    type: Type
    hostname: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9._-]*\Z")]
    generated_time: Annotated[str, msgspec.Meta(max_length=64)]
    payload: dict[str, Any]


class NewBody(Body, frozen=True, kw_only=True):
    notification: NewNotification


_PAYLOADS: dict[str, type[Body]] = {"COMPUTE_HOST": OfHost, "PROCESS": OfProcess, "VM": OfMachine}


@resource.on("POST", "/v1/notifications", may="service")
async def create(request: Request) -> Reply:
    said = request.read(NewBody).notification
    try:
        msgspec.convert(said.payload, _PAYLOADS[said.type])
    except msgspec.ValidationError as error:
        raise Invalid("notification.payload", f"Invalid input for field/attribute payload. {error}") from error
    at = _time(said.generated_time, "generated_time")
    made = await notifications.create(request.tx, said.hostname, said.type, said.payload, at)
    return Reply(202, {"notification": _view(made)})


@resource.on("GET", "/v1/notifications", may="operator")
async def index(request: Request) -> Reply:
    where = pages.narrow(request, Where(), _FILTERS)
    since = request.asked("generated-since")
    if since is not None:
        where.add("generated_at >= ?", _time(since, "generated-since"))
    found = await notifications.page(request.tx, where, pages.asked(request, _COLUMNS))
    return Reply(200, {"notifications": [_view(one) for one in found]})


@resource.on("GET", "/v1/notifications/{notification_id}", may="operator")
async def show(request: Request) -> Reply:
    found = await notifications.needed(request.tx, request.values["notification_id"])
    view = _view(found)
    if request.version >= _DETAILS_SINCE:
        view["recovery_workflow_details"] = await _details(request, found)
    return Reply(200, {"notification": view})


async def _details(request: Request, found: Notification) -> list[dict[str, Any]]:
    """In the shape of a task flow, of which each step is a server."""
    told = [
        {
            "name": f"Server {move.server_id}",
            "state": "SUCCESS" if move.status == "succeeded" else move.status.upper(),
            "progress": 1.0 if move.end_time is not None else 0.5,
            "progress_details": [
                {"timestamp": iso_micros(move.start_time), "progress": 1.0, "message": move.message or move.status}
            ],
        }
        for move in await vmoves.of(request.tx, found.id)
    ]
    if found.message is not None:
        details = [{"timestamp": iso_micros(found.updated_at), "progress": 1.0, "message": found.message}]
        told.append({"name": "Recovery", "state": "SUCCESS", "progress": 1.0, "progress_details": details})
    return told


def _time(said: str, name: str) -> float:
    try:
        return parse_iso(said.replace(" ", "+") if "T" in said else said)
    except ValueError as error:
        raise Invalid("query.invalid", f"Invalid {name} value") from error


def _view(found: Notification) -> dict[str, Any]:
    return {
        "id": found.number,
        "notification_uuid": found.id,
        "type": found.type,
        "status": found.status,
        "source_host_uuid": found.ha_host_id,
        "generated_time": iso_micros(found.generated_at),
        "payload": found.payload,
        "created_at": iso_micros(found.created_at),
        "updated_at": iso_micros(found.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
