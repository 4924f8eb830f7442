"""Snapshots: what a volume held at one moment."""

from typing import Any

from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Uuid
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging, views
from trivet.api.volume.bodies import Loose, Metadata, Text, flag, name_of
from trivet.api.volume.paths import VolumeResource
from trivet.domain.volumes import limits, snapshots
from trivet.domain.volumes.snapshots import SNAPSHOTS, Snapshot
from trivet.errors import Invalid

resource = VolumeResource()
_SORTS = {
    "id": "id",
    "name": "name",
    "display_name": "name",
    "status": "status",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "volume_id": "volume_id",
    "size": "size_gib",
    "volume_size": "size_gib",
    "user_id": "user_id",
    "project_id": "project_id",
}
_FILTERS = {
    "id": "id",
    "name": "name",
    "display_name": "name",
    "status": "status",
    "volume_id": "volume_id",
    "user_id": "user_id",
    "description": "description",
}
_NO_FORCE_SINCE = 3066
"""From here on a volume in use needs no force, and none may be said."""
_FORCED_SINCE = 3065
"""The SDK stops here, and the client on top of it leaves force out all the same."""


class NewSnapshot(Body, frozen=True, kw_only=True):
    volume_id: Uuid | None
    name: Text | None = None
    display_name: Text | UnsetType | None = UNSET
    description: Text | None = None
    display_description: Text | UnsetType | None = UNSET
    force: bool | str | UnsetType | None = UNSET
    metadata: Metadata | None = None


class CreateBody(Loose, frozen=True, kw_only=True):
    snapshot: NewSnapshot


class Changes(Loose, frozen=True, kw_only=True):
    name: Text | UnsetType | None = UNSET
    display_name: Text | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    display_description: Text | UnsetType | None = UNSET


class UpdateBody(Loose, frozen=True, kw_only=True):
    snapshot: Changes


async def visible(request: Request) -> Snapshot:
    return await snapshots.visible(request.tx, request.caller, request.values["snapshot_id"])


async def owned(request: Request) -> Snapshot:
    return await snapshots.owned(request.tx, request.caller, request.values["snapshot_id"])


@resource.on("POST", "/snapshots", may="member")
async def create(request: Request) -> Reply:
    said = request.read(CreateBody, strict=False).snapshot
    snapshot = await snapshots.create(
        request.tx,
        request.caller,
        said.volume_id or "",
        force=_force(request, said.force),
        name=name_of(said.display_name if said.display_name is not UNSET else said.name),
        description=said.display_description if said.display_description is not UNSET else said.description,
        metadata=said.metadata or {},
    )
    await limits.settled(request.tx)
    return Reply(202, {"snapshot": views.snapshot(request, snapshot, detail=False)})


def _force(request: Request, said: bool | str | UnsetType | None) -> bool:
    forced = said not in (UNSET, None) and flag(said, "force")
    if request.version >= _NO_FORCE_SINCE and said is not UNSET and not forced:
        raise Invalid(
            "snapshot.force",
            "Invalid input received: the force flag is invalid from microversion 3.66 on; omit it.",
        )
    return forced or (said is UNSET and request.version >= _FORCED_SINCE) or request.version >= _NO_FORCE_SINCE


@resource.on("GET", "/snapshots", may="reader")
async def list_snapshots(request: Request) -> Reply:
    return await _listed(request, "snapshots", detail=False)


@resource.on("GET", "/snapshots/detail", may="reader")
async def list_in_detail(request: Request) -> Reply:
    return await _listed(request, "snapshots/detail", detail=True)


async def _listed(request: Request, path: str, *, detail: bool) -> Reply:
    seen = paging.scoped(request)
    where = paging.filtered(request, seen.copy(), _FILTERS)
    paging.at_times(request, where)
    if request.version >= 3022:
        paging.by_metadata(request, where, "metadata", "metadata")
    count = await paging.count(request, SNAPSHOTS, where)
    found = await paging.find(request, SNAPSHOTS, _SORTS, where, seen=seen)
    listed = [views.snapshot(request, one, detail=detail) for one in found]
    return paging.page_of(request, "snapshots", path, found, listed, count=count)


@resource.on("GET", "/snapshots/{snapshot_id}", may="reader")
async def show(request: Request) -> Reply:
    return Reply(200, {"snapshot": views.snapshot(request, await visible(request))})


@resource.on("PUT", "/snapshots/{snapshot_id}", may="member")
async def update(request: Request) -> Reply:
    said = request.read(UpdateBody, strict=False).snapshot
    changes: dict[str, Any] = {}
    for column, names in (("name", ("name", "display_name")), ("description", ("description", "display_description"))):
        for name in names:
            if getattr(said, name) is not UNSET:
                changes[column] = getattr(said, name)
    if not changes:
        raise Invalid("body.invalid", "Invalid input: name or description must be given.")
    if "name" in changes:
        changes["name"] = name_of(changes["name"])
    snapshot = await snapshots.change(request.tx, await owned(request), **changes)
    return Reply(200, {"snapshot": views.snapshot(request, snapshot, detail=False)})


@resource.on("DELETE", "/snapshots/{snapshot_id}", may="member")
async def delete(request: Request) -> Reply:
    await snapshots.delete(request.tx, request.caller, request.values["snapshot_id"])
    return Reply(202)
