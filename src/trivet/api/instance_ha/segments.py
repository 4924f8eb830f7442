"""/v1/segments: hosts that stand in for each other, and how."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.instance_ha import pages
from trivet.api.kit.bodies import Body, Since
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.recovery import segments
from trivet.domain.recovery.segments import RecoveryMethod, Segment
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"\S")]
Text = Annotated[str, msgspec.Meta(max_length=255)]
ENABLED_SINCE = 1002
_COLUMNS = {"id": "number", "created_at": "created_at", "updated_at": "COALESCE(updated_at, -1)"} | {
    name: name for name in ("name", "recovery_method", "service_type", "enabled")
} | {"uuid": "id", "description": "COALESCE(description, '')"}  # fmt: skip


class NewSegment(Body, frozen=True, kw_only=True):
    name: Name
    recovery_method: RecoveryMethod
    service_type: Name
    description: Text | None = None
    enabled: Annotated[bool | UnsetType, Since("1.2")] = UNSET


class NewBody(Body, frozen=True, kw_only=True):
    segment: NewSegment


class ChangedSegment(Body, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET
    recovery_method: RecoveryMethod | UnsetType = UNSET
    service_type: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: Annotated[bool | UnsetType, Since("1.2")] = UNSET


class ChangedBody(Body, frozen=True, kw_only=True):
    segment: ChangedSegment


@resource.on("GET", "/v1/segments", may="operator")
async def index(request: Request) -> Reply:
    where = pages.narrow(request, Where(), {"recovery_method": "recovery_method", "service_type": "service_type"})
    pages.flags(request, where, ("enabled",))
    found = await segments.page(request.tx, where, pages.asked(request, _COLUMNS))
    return Reply(200, {"segments": [view(request, one) for one in found]})


@resource.on("POST", "/v1/segments", may="admin")
async def create(request: Request) -> Reply:
    said = request.read(NewBody, strict=False).segment
    made = await segments.create(
        request.tx,
        name=said.name,
        recovery_method=said.recovery_method,
        service_type=said.service_type,
        description=said.description,
        enabled=said.enabled is not False,
    )
    return Reply(201, {"segment": view(request, made)})


@resource.on("GET", "/v1/segments/{segment_id}", may="operator")
async def show(request: Request) -> Reply:
    return Reply(200, {"segment": view(request, await segments.needed(request.tx, request.values["segment_id"]))})


@resource.on("PUT", "/v1/segments/{segment_id}", may="admin")
async def change(request: Request) -> Reply:
    said = request.read(ChangedBody, strict=False).segment
    found = await segments.needed(request.tx, request.values["segment_id"])
    changes = {name: getattr(said, name) for name in said.__struct_fields__ if getattr(said, name) is not UNSET}
    if not changes:
        raise Invalid("body.invalid", "Say at least one of: " + ", ".join(said.__struct_fields__) + ".")
    return Reply(200, {"segment": view(request, await segments.change(request.tx, found, **changes))})


@resource.on("DELETE", "/v1/segments/{segment_id}", may="admin")
async def delete(request: Request) -> Reply:
    await segments.delete(request.tx, await segments.needed(request.tx, request.values["segment_id"]))
    return Reply(204)


def view(request: Request, found: Segment) -> dict[str, Any]:
    said = {
        "id": found.number,
        "uuid": found.id,
        "name": found.name,
        "description": found.description,
        "service_type": found.service_type,
        "recovery_method": found.recovery_method,
        "created_at": iso_micros(found.created_at),
        "updated_at": iso_micros(found.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    return said | ({"enabled": found.enabled} if request.version >= ENABLED_SINCE else {})
