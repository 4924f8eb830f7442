"""/os-server-external-events: what other services have to say about servers. Here they say it through the log."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Text
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers.servers import SERVERS
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()

_SINCE = {"volume-extended": 2051, "power-update": 2076, "accelerator-request-bound": 2082, "volume-reimaged": 2093}
_NEED_TAG = {"volume-extended", "power-update", "accelerator-request-bound", "volume-reimaged"}


class ExternalEvent(Body, frozen=True, kw_only=True):
    name: Literal[
        "network-changed",
        "network-vif-plugged",
        "network-vif-unplugged",
        "network-vif-deleted",
        "volume-extended",
        "power-update",
        "accelerator-request-bound",
        "volume-reimaged",
    ]
    server_uuid: str
    status: Literal["failed", "completed", "in-progress"] | UnsetType = UNSET
    tag: Text | UnsetType = UNSET


class ExternalEvents(Body, frozen=True, kw_only=True):
    events: Annotated[list[ExternalEvent], msgspec.Meta(min_length=1, max_length=1000)]


@resource.on("POST", "/v2.1/os-server-external-events", may="service")
async def create(request: Request) -> Reply:
    said = request.read(ExternalEvents).events
    for event in said:
        if request.version < _SINCE.get(event.name, 0):
            raise Invalid("body.invalid", f"Invalid input: {event.name!r} is not an event of this version.")
    where = Where().any_of("id", sorted({event.server_uuid for event in said})).add("deleted_at IS NULL")
    servers = {server.id: server for server in await request.tx.select(SERVERS, where)}
    answers: list[dict[str, Any]] = []
    for event in said:
        answer: dict[str, Any] = {"name": event.name, "server_uuid": event.server_uuid}
        if event.tag is not UNSET:
            answer["tag"] = event.tag
        server = servers.get(event.server_uuid)
        if server is None:
            answer |= {"status": "failed", "code": 404}
        elif event.name in _NEED_TAG and event.tag is UNSET:
            answer |= {"status": "failed", "code": 400}
        elif server.host_id is None:
            answer |= {"status": "failed", "code": 422}
        else:
            answer |= {"status": "completed", "code": 200}
        answers.append(answer)
    done = all(answer["code"] == 200 for answer in answers)
    return Reply(200 if done else 207, {"events": answers})
