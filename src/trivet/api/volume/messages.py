"""/messages: what went wrong after the call was answered."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging
from trivet.api.volume.paths import VolumeResource, links
from trivet.clock import iso_micros
from trivet.domain.volumes import messages
from trivet.domain.volumes.messages import MESSAGES, Message

resource = VolumeResource()
_SORTS = {
    "id": "id",
    "event_id": "event_id",
    "resource_uuid": "resource_id",
    "resource_type": "resource_type",
    "request_id": "request_id",
    "created_at": "created_at",
    "guaranteed_until": "ends_at",
}
_FILTERS = {
    "event_id": "event_id",
    "resource_uuid": "resource_id",
    "resource_type": "resource_type",
    "request_id": "request_id",
}


@resource.on("GET", "/messages", may="reader", since="3.3")
async def index(request: Request) -> Reply:
    seen = paging.scoped(request)
    where = paging.filtered(request, seen.copy(), _FILTERS)
    found = await paging.find(request, MESSAGES, _SORTS, where, seen=seen)
    return paging.page_of(request, "messages", "messages", found, [_view(request, one) for one in found])


@resource.on("GET", "/messages/{message_id}", may="reader", since="3.3")
async def show(request: Request) -> Reply:
    found = await messages.visible(request.tx, request.caller, request.values["message_id"])
    return Reply(200, {"message": _view(request, found)})


@resource.on("DELETE", "/messages/{message_id}", may="member", since="3.3")
async def delete(request: Request) -> Reply:
    await messages.dismiss(request.tx, request.caller, request.values["message_id"])
    return Reply(204)


def _view(request: Request, found: Message) -> dict[str, Any]:
    return {
        "id": found.id,
        "event_id": found.event_id,
        "user_message": found.text,
        "message_level": "ERROR",
        "resource_type": found.resource_type,
        "resource_uuid": found.resource_id,
        "request_id": found.request_id,
        "created_at": iso_micros(found.created_at),
        "guaranteed_until": iso_micros(found.ends_at),
        "links": links(request, "messages", found.id),
    }
