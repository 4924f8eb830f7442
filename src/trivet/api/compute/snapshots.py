"""/os-snapshots, until 2.35: the volume service's own, in nova's words."""

from typing import Any

from msgspec import UNSET, UnsetType

from trivet.api.compute import pages
from trivet.api.compute.volumes import LAST
from trivet.api.kit.bodies import Body, Text, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.volumes import limits, snapshots
from trivet.domain.volumes.snapshots import SNAPSHOTS, Snapshot
from trivet.errors import Invalid
from trivet.store import lists
from trivet.store.where import Where

resource = Resource()
_TRUE = ("1", "t", "true", "on", "y", "yes")
_FALSE = ("0", "f", "false", "off", "n", "no")


class SnapshotWanted(Body, frozen=True, kw_only=True):
    volume_id: Text
    force: bool | str | UnsetType = UNSET
    display_name: Text | UnsetType | None = UNSET
    display_description: Text | UnsetType | None = UNSET


class CreateBody(Body, frozen=True, kw_only=True):
    snapshot: SnapshotWanted


@resource.on("GET", "/v2.1/os-snapshots", may="reader", until=LAST)
async def index(request: Request) -> Reply:
    where = Where().equal("project_id", request.caller.project_id or "")
    asked = pages.by_offset(request, (("created_at", True), ("id", True)))
    found = await lists.page(request.tx, SNAPSHOTS, where, asked, seen=where)
    return Reply(200, {"snapshots": [_shown(one) for one in found]})


@resource.on("GET", "/v2.1/os-snapshots/detail", may="reader", until=LAST)
async def detail(request: Request) -> Reply:
    return await index(request)


@resource.on("GET", "/v2.1/os-snapshots/{snapshot_id}", may="reader", until=LAST)
async def show(request: Request) -> Reply:
    found = await snapshots.visible(request.tx, request.caller, request.values["snapshot_id"])
    return Reply(200, {"snapshot": _shown(found)})


@resource.on("POST", "/v2.1/os-snapshots", may="member", until=LAST)
async def create(request: Request) -> Reply:
    said = request.read(CreateBody).snapshot
    made = await snapshots.create(
        request.tx,
        request.caller,
        said.volume_id,
        force=_flag(said.force),
        name=or_none(said.display_name),
        description=or_none(said.display_description),
        metadata={},
    )
    await limits.settled(request.tx)
    place = f"{request.url}/v2.1/os-snapshots/{made.id}".encode()
    return Reply(200, {"snapshot": _shown(made)}, [(b"location", place)])


@resource.on("DELETE", "/v2.1/os-snapshots/{snapshot_id}", may="member", until=LAST)
async def delete(request: Request) -> Reply:
    await snapshots.delete(request.tx, request.caller, request.values["snapshot_id"])
    return Reply(202)


def _flag(said: bool | str | UnsetType) -> bool:
    if isinstance(said, str):
        if said.lower() not in (*_TRUE, *_FALSE):
            raise Invalid("body.invalid", f"Invalid input for field/attribute force. Value: {said[:64]}.")
        return said.lower() in _TRUE
    return said is True


def _shown(one: Snapshot) -> dict[str, Any]:
    return {
        "id": one.id,
        "volumeId": one.volume_id,
        "status": one.status,
        "size": one.size_gib,
        "createdAt": iso(one.created_at),
        "displayName": one.name,
        "displayDescription": one.description,
    }
