"""Backups: volumes copied into objects, and back."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Since, Uuid
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging
from trivet.api.volume.bodies import Loose, Metadata, Text, flag, name_of
from trivet.api.volume.paths import VolumeResource, links
from trivet.clock import iso_micros
from trivet.domain.volumes import backup_records, backups, limits
from trivet.domain.volumes.backups import BACKUPS, Backup
from trivet.errors import Invalid

resource = VolumeResource()
_SORTS = {
    "id": "id",
    "name": "name",
    "status": "status",
    "container": "container",
    "volume_id": "volume_id",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "size": "size_gib",
}
_FILTERS = {
    "id": "id",
    "name": "name",
    "status": "status",
    "volume_id": "volume_id",
    "snapshot_id": "snapshot_id",
    "container": "container",
    "user_id": "user_id",
    "parent_id": "parent_id",
    "availability_zone": "zone",
}
_UUIDS_OF_OLD = ("", "None")


class NewBackup(Body, frozen=True, kw_only=True):
    volume_id: Uuid
    container: Text | None = None
    name: Text | None = None
    description: Text | None = None
    incremental: bool | str | None = None
    force: bool | str | None = None
    snapshot_id: Text | None = None
    metadata: Annotated[Metadata | UnsetType | None, Since("3.43")] = UNSET
    availability_zone: Annotated[Text | UnsetType | None, Since("3.51")] = UNSET


class CreateBody(Loose, frozen=True, kw_only=True):
    backup: NewBackup


class Changes(Body, frozen=True, kw_only=True):
    name: Text | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    metadata: Annotated[Metadata | UnsetType, Since("3.43")] = UNSET


class UpdateBody(Loose, frozen=True, kw_only=True):
    backup: Changes | None


class Restore(Body, frozen=True, kw_only=True):
    volume_id: Uuid | None = None
    name: Text | None = None


class RestoreBody(Loose, frozen=True, kw_only=True):
    restore: Restore | None


class BackupRecord(Body, frozen=True, kw_only=True):
    backup_service: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    backup_url: Annotated[str, msgspec.Meta(min_length=1, max_length=backup_records.URL_MAX)]


class ImportBody(Loose, frozen=True, kw_only=True):
    record: BackupRecord = msgspec.field(name="backup-record")


def backup_id(request: Request) -> str:
    return request.values["backup_id"]


@resource.on("POST", "/backups", may="member")
async def create(request: Request) -> Reply:
    said = request.read(CreateBody, strict=False).backup
    backup = await backups.create(
        request.tx,
        request.caller,
        said.volume_id,
        snapshot_id=None if said.snapshot_id in _UUIDS_OF_OLD else said.snapshot_id,
        incremental=said.incremental is not None and flag(said.incremental, "incremental"),
        force=said.force is not None and flag(said.force, "force"),
        container=said.container or None,
        name=name_of(said.name),
        description=said.description,
        metadata=said.metadata if isinstance(said.metadata, dict) else {},
        request_id=request.id,
    )
    await limits.settled(request.tx)
    return Reply(202, {"backup": _brief(request, backup)})


@resource.on("GET", "/backups", may="reader")
async def list_backups(request: Request) -> Reply:
    return await _listed(request, "backups", detail=False)


@resource.on("GET", "/backups/detail", may="reader")
async def list_in_detail(request: Request) -> Reply:
    return await _listed(request, "backups/detail", detail=True)


async def _listed(request: Request, path: str, *, detail: bool) -> Reply:
    seen = paging.scoped(request)
    where = paging.filtered(request, seen.copy(), _FILTERS)
    paging.at_times(request, where)
    if request.version >= 3043:
        paging.by_metadata(request, where, "metadata", "metadata")
    count = await paging.count(request, BACKUPS, where)
    found = await paging.find(request, BACKUPS, _SORTS, where, seen=seen)
    listed = await _detailed(request, found) if detail else [_brief(request, one) for one in found]
    return paging.page_of(request, "backups", path, found, listed, count=count)


@resource.on("GET", "/backups/{backup_id}", may="reader")
async def show(request: Request) -> Reply:
    found = await backups.visible(request.tx, request.caller, backup_id(request))
    return Reply(200, {"backup": (await _detailed(request, [found]))[0]})


@resource.on("PUT", "/backups/{backup_id}", may="member", since="3.9")
async def update(request: Request) -> Reply:
    said = request.read(UpdateBody, strict=False).backup
    changes: dict[str, Any] = {}
    for name in said.__struct_fields__ if said is not None else ():
        if getattr(said, name) is not UNSET:
            changes[name] = getattr(said, name)
    if not changes:
        raise Invalid("body.invalid", "There are no fields to update: name, description or metadata must be given.")
    if "name" in changes:
        changes["name"] = name_of(changes["name"])
    found = await backups.owned(request.tx, request.caller, backup_id(request))
    return Reply(200, {"backup": _brief(request, await backups.change(request.tx, found, **changes))})


@resource.on("DELETE", "/backups/{backup_id}", may="member")
async def delete(request: Request) -> Reply:
    await backups.delete(request.tx, request.caller, backup_id(request))
    return Reply(202)


@resource.on("POST", "/backups/{backup_id}/restore", may="member")
async def restore(request: Request) -> Reply:
    said = request.read(RestoreBody, strict=False).restore or Restore()
    backup, volume = await backups.restore(
        request.tx, request.caller, backup_id(request), volume_id=said.volume_id, name=name_of(said.name),
        request_id=request.id,
    )  # fmt: skip
    await limits.settled(request.tx)
    told = {"backup_id": backup.id, "volume_id": volume.id, "volume_name": volume.name}
    return Reply(202, {"restore": told})


# -- records


@resource.on("GET", "/backups/{backup_id}/export_record", may="admin")
async def export_record(request: Request) -> Reply:
    service, url = await backup_records.export(request.tx, request.caller, backup_id(request))
    return Reply(200, {"backup-record": {"backup_service": service, "backup_url": url}})


@resource.on("POST", "/backups/import_record", may="admin")
async def import_record(request: Request) -> Reply:
    said = request.read(ImportBody).record
    backup = await backup_records.take_in(request.tx, request.caller, said.backup_service, said.backup_url)
    await limits.settled(request.tx)
    return Reply(201, {"backup": _brief(request, backup)})


# -- what is shown


def _brief(request: Request, backup: Backup) -> dict[str, Any]:
    return {"id": backup.id, "name": backup.name, "links": links(request, "backups", backup.id)}


async def _detailed(request: Request, found: list[Backup]) -> list[dict[str, Any]]:
    """A whole page with one query more."""
    needed = await backups.dependants(request.tx, [backup.id for backup in found])
    return [_shown(request, backup, needed=backup.id in needed) for backup in found]


def _shown(request: Request, backup: Backup, *, needed: bool) -> dict[str, Any]:
    view = _brief(request, backup) | {
        "status": backup.status,
        "size": backup.size_gib,
        "object_count": backup.object_count,
        "availability_zone": backup.zone,
        "container": backup.container,
        "created_at": iso_micros(backup.created_at),
        "updated_at": iso_micros(backup.updated_at),
        "description": backup.description,
        "fail_reason": backup.fail_reason,
        "volume_id": backup.volume_id,
        "is_incremental": backup.parent_id is not None,
        "has_dependent_backups": needed,
        "snapshot_id": backup.snapshot_id,
        "data_timestamp": iso_micros(backup.data_at),
    }
    if request.version >= 3018 and request.caller.is_operator:
        view["os-backup-project-attr:project_id"] = backup.project_id
    if request.version >= 3043:
        view["metadata"] = backup.metadata
    if request.version >= 3056:
        view["user_id"] = backup.user_id
    if request.version >= 3064:
        view["encryption_key_id"] = None
    return view
