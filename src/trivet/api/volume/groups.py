"""/groups and /group_snapshots: volumes that are looked after together."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Name, Uuid
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging
from trivet.api.volume.bodies import Loose, Text, flag, name_of
from trivet.api.volume.paths import VolumeResource
from trivet.clock import iso_micros
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.volumes import groups, limits
from trivet.domain.volumes.groups import GROUP_SNAPSHOTS, GROUPS, Group, GroupSnapshot, GroupWanted
from trivet.errors import Invalid

resource = VolumeResource()
_SORTS = {"id": "id", "name": "name", "status": "status", "created_at": "created_at"}
_FILTERS = {"id": "id", "name": "name", "status": "status"}


class NewGroup(Body, frozen=True, kw_only=True):
    name: Text | None = None
    description: Text | None = None
    group_type: Name
    volume_types: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=50)]
    availability_zone: Text | None = None


class CreateBody(Loose, frozen=True, kw_only=True):
    group: NewGroup


class Changes(Body, frozen=True, kw_only=True):
    name: Text | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    add_volumes: Annotated[str, msgspec.Meta(max_length=4000)] | None = None
    remove_volumes: Annotated[str, msgspec.Meta(max_length=4000)] | None = None


class UpdateBody(Loose, frozen=True, kw_only=True):
    group: Changes


class Delete(Body, frozen=True, kw_only=True):
    delete_volumes: bool | str = msgspec.field(default=False, name="delete-volumes")


class DeleteBody(Loose, frozen=True, kw_only=True):
    delete: Delete


class Source(Body, frozen=True, kw_only=True):
    name: Text | None = None
    description: Text | None = None
    group_snapshot_id: Uuid | None = None
    source_group_id: Uuid | None = None


class SourceBody(Loose, frozen=True, kw_only=True):
    said: Source = msgspec.field(name="create-from-src")


class Reset(Body, frozen=True, kw_only=True):
    status: groups.Status


class ResetBody(Loose, frozen=True, kw_only=True):
    reset_status: Reset


class NewSnapshot(Body, frozen=True, kw_only=True):
    group_id: Uuid
    name: Text | None = None
    description: Text | None = None


class SnapshotBody(Loose, frozen=True, kw_only=True):
    group_snapshot: NewSnapshot


@resource.on("POST", "/groups", may="member", since="3.13")
async def create(request: Request) -> Reply:
    said = request.read(CreateBody).group
    wanted = GroupWanted(
        name=name_of(said.name),
        description=said.description,
        group_type=said.group_type,
        volume_types=tuple(said.volume_types),
        zone=said.availability_zone,
    )
    group = await groups.create_group(request.tx, request.caller, wanted)
    await limits.settled(request.tx)
    return Reply(202, {"group": {"id": group.id, "name": group.name}})


@resource.on("GET", "/groups", may="reader", since="3.13")
async def index(request: Request) -> Reply:
    found = await _found(request)
    return paging.page_of(request, "groups", "groups", found, [{"id": one.id, "name": one.name} for one in found])


@resource.on("GET", "/groups/detail", may="reader", since="3.13")
async def detail(request: Request) -> Reply:
    found = await _found(request)
    return paging.page_of(request, "groups", "groups/detail", found, [await _view(request, one) for one in found])


async def _found(request: Request) -> list[Group]:
    seen = paging.scoped(request)
    where = paging.filtered(request, seen.copy(), _FILTERS | {"source_group_id": "source_group_id"})
    return await paging.find(request, GROUPS, _SORTS, where, seen=seen)


@resource.on("GET", "/groups/{group_id}", may="reader", since="3.13")
async def show(request: Request) -> Reply:
    group = await groups.visible(request.tx, request.caller, request.values["group_id"])
    return Reply(200, {"group": await _view(request, group)})


@resource.on("PUT", "/groups/{group_id}", may="member", since="3.13")
async def update(request: Request) -> Reply:
    said = request.read(UpdateBody).group
    words = {name: getattr(said, name) for name in ("name", "description") if getattr(said, name) is not UNSET}
    added, removed = _ids(said.add_volumes), _ids(said.remove_volumes)
    if not words and not added and not removed:
        raise Invalid("body.invalid", "At least one of name, description, add_volumes and remove_volumes is needed.")
    id = request.values["group_id"]
    await groups.change(request.tx, request.caller, id, words, added=added, removed=removed)
    return Reply(202)


def _ids(said: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id.strip() for id in (said or "").split(",") if id.strip()))


@resource.action("/groups/{group_id}/action", "delete", may="member", since="3.13")
async def delete(request: Request) -> Reply:
    said = request.read(DeleteBody).delete
    id = request.values["group_id"]
    await groups.delete(request.tx, request.caller, id, delete_volumes=flag(said.delete_volumes, "delete-volumes"))
    return Reply(202)


@resource.action("/groups/{group_id}/action", "reset_status", may="admin", since="3.20")
async def reset(request: Request) -> Reply:
    status = request.read(ResetBody).reset_status.status
    await groups.reset(request.tx, request.caller, request.values["group_id"], status)
    return Reply(202)


@resource.action("/groups/{group_id}/action", "enable_replication", may="member", since="3.38")
@resource.action("/groups/{group_id}/action", "disable_replication", may="member", since="3.38")
@resource.action("/groups/{group_id}/action", "failover_replication", may="member", since="3.38")
@resource.action("/groups/{group_id}/action", "list_replication_targets", may="member", since="3.38")
async def no_replication(request: Request) -> Reply:
    await groups.owned(request.tx, request.caller, request.values["group_id"])
    raise Invalid("group.no_replication", "Groups are not replicated here: no group type of this cloud enables it.")


@resource.action("/groups/action", "create-from-src", may="member", since="3.14")
async def create_from(request: Request) -> Reply:
    said = request.read(SourceBody).said
    group = await groups.create_from(
        request.tx,
        request.caller,
        GroupWanted(name=name_of(said.name), description=said.description),
        group_snapshot_id=said.group_snapshot_id,
        source_group_id=said.source_group_id,
        request_id=request.id,
    )
    await limits.settled(request.tx)
    return Reply(202, {"group": {"id": group.id, "name": group.name}})


async def _view(request: Request, group: Group) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "status": group.status,
        "availability_zone": group.zone or DEFAULT_ZONE,
        "created_at": iso_micros(group.created_at),
        "group_type": group.group_type_id,
        "volume_types": group.type_ids,
    }
    if request.version >= 3014:
        view |= {"group_snapshot_id": group.group_snapshot_id, "source_group_id": group.source_group_id}
    if request.version >= 3025 and request.asked_flag("list_volume"):
        view["volumes"] = [volume.id for volume in await groups.members(request.tx, group.id)]
    if request.version >= 3038:
        view["replication_status"] = "disabled"
    if request.version >= 3058:
        view["project_id"] = group.project_id
    return view


# -- snapshots of groups


@resource.on("POST", "/group_snapshots", may="member", since="3.14")
async def create_snapshot(request: Request) -> Reply:
    said = request.read(SnapshotBody).group_snapshot
    made = await groups.snapshot(request.tx, request.caller, said.group_id, name_of(said.name), said.description)
    await limits.settled(request.tx)
    view = {"id": made.id, "name": made.name, "group_type_id": made.group_type_id}
    return Reply(202, {"group_snapshot": view})


@resource.on("GET", "/group_snapshots", may="reader", since="3.14")
async def list_snapshots(request: Request) -> Reply:
    found = await _found_snapshots(request)
    shown = [{"id": one.id, "name": one.name} for one in found]
    return paging.page_of(request, "group_snapshots", "group_snapshots", found, shown)


@resource.on("GET", "/group_snapshots/detail", may="reader", since="3.14")
async def list_snapshots_in_detail(request: Request) -> Reply:
    found = await _found_snapshots(request)
    shown = [_snapshot_view(request, one) for one in found]
    return paging.page_of(request, "group_snapshots", "group_snapshots/detail", found, shown)


async def _found_snapshots(request: Request) -> list[GroupSnapshot]:
    seen = paging.scoped(request)
    where = paging.filtered(request, seen.copy(), _FILTERS | {"group_id": "group_id"})
    return await paging.find(request, GROUP_SNAPSHOTS, _SORTS, where, seen=seen)


@resource.on("GET", "/group_snapshots/{group_snapshot_id}", may="reader", since="3.14")
async def show_snapshot(request: Request) -> Reply:
    found = await groups.visible_snapshot(request.tx, request.caller, request.values["group_snapshot_id"])
    return Reply(200, {"group_snapshot": _snapshot_view(request, found)})


@resource.on("DELETE", "/group_snapshots/{group_snapshot_id}", may="member", since="3.14")
async def delete_snapshot(request: Request) -> Reply:
    await groups.delete_snapshot(request.tx, request.caller, request.values["group_snapshot_id"])
    return Reply(202)


@resource.action("/group_snapshots/{group_snapshot_id}/action", "reset_status", may="admin", since="3.19")
async def reset_snapshot(request: Request) -> Reply:
    status = request.read(ResetBody).reset_status.status
    await groups.reset_snapshot(request.tx, request.caller, request.values["group_snapshot_id"], status)
    return Reply(202)


def _snapshot_view(request: Request, found: GroupSnapshot) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": found.id,
        "group_id": found.group_id,
        "group_type_id": found.group_type_id,
        "status": found.status,
        "created_at": iso_micros(found.created_at),
        "name": found.name,
        "description": found.description,
    }
    if request.version >= 3058:
        view["project_id"] = found.project_id
    return view
