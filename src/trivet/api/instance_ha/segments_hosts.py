"""/v1/segments/{segment_id}/hosts: which hosts are in a segment, and as what."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.instance_ha import pages
from trivet.api.instance_ha.segments import Name, Text
from trivet.api.instance_ha.segments import view as segment_view
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.recovery import members, segments
from trivet.domain.recovery.members import Member
from trivet.domain.recovery.segments import Segment
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()
_ALL = "/v1/segments/{segment_id}/hosts"
_ONE = _ALL + "/{ha_host_id}"
Type = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_ -]*\Z")]
_FILTERS = {name: name for name in ("name", "type", "control_attributes")}
_COLUMNS = {"id": "number", "uuid": "id", "updated_at": "COALESCE(updated_at, -1)"} | {
    name: name for name in ("created_at", "name", "type", "control_attributes", "reserved", "on_maintenance")
}  # fmt: skip


class NewHost(Body, frozen=True, kw_only=True):
    name: Name
    type: Type
    control_attributes: Text
    reserved: bool = False
    on_maintenance: bool = False


class NewBody(Body, frozen=True, kw_only=True):
    host: NewHost


class ChangedHost(Body, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    control_attributes: Text | UnsetType = UNSET
    reserved: bool | UnsetType = UNSET
    on_maintenance: bool | UnsetType = UNSET


class ChangedBody(Body, frozen=True, kw_only=True):
    host: ChangedHost


@resource.on("GET", _ALL, may="operator")
async def index(request: Request) -> Reply:
    segment = await _segment(request)
    seen = Where().equal("segment_id", segment.id)
    where = pages.flags(request, pages.narrow(request, seen.copy(), _FILTERS), ("reserved", "on_maintenance"))
    found = await members.page(request.tx, where, pages.asked(request, _COLUMNS), seen=seen)
    return Reply(200, {"hosts": [_view(request, segment, one) for one in found]})


@resource.on("POST", _ALL, may="admin")
async def create(request: Request) -> Reply:
    said = request.read(NewBody, strict=False).host
    segment = await _segment(request)
    made = await members.create(request.tx, segment, **msgspec.structs.asdict(said))
    return Reply(201, {"host": _view(request, segment, made)})


@resource.on("GET", _ONE, may="operator")
async def show(request: Request) -> Reply:
    segment = await _segment(request)
    return Reply(200, {"host": _view(request, segment, await _member(request, segment))})


@resource.on("PUT", _ONE, may="admin")
async def change(request: Request) -> Reply:
    said = request.read(ChangedBody, strict=False).host
    segment = await _segment(request)
    found = await _member(request, segment)
    changes = {name: getattr(said, name) for name in said.__struct_fields__ if getattr(said, name) is not UNSET}
    if not changes:
        raise Invalid("body.invalid", "Say at least one of: " + ", ".join(said.__struct_fields__) + ".")
    return Reply(200, {"host": _view(request, segment, await members.change(request.tx, found, **changes))})


@resource.on("DELETE", _ONE, may="admin")
async def delete(request: Request) -> Reply:
    await members.delete(request.tx, await _member(request, await _segment(request)))
    return Reply(204)


async def _segment(request: Request) -> Segment:
    return await segments.needed(request.tx, request.values["segment_id"])


async def _member(request: Request, segment: Segment) -> Member:
    return await members.needed(request.tx, segment, request.values["ha_host_id"])


def _view(request: Request, segment: Segment, found: Member) -> dict[str, Any]:
    return {
        "id": found.number,
        "uuid": found.id,
        "name": found.name,
        "type": found.type,
        "control_attributes": found.control_attributes,
        "reserved": found.reserved,
        "on_maintenance": found.on_maintenance,
        "failover_segment_id": segment.id,
        "failover_segment": segment_view(request, segment),
        "created_at": iso_micros(found.created_at),
        "updated_at": iso_micros(found.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
