"""Volumes: the front door for disks that outlive their servers.

A request here only records what is wanted; the controller of a back end makes it so.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Since, Until, Uuid
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging, views
from trivet.api.volume.bodies import Loose, Metadata, Size, Text, name_of
from trivet.api.volume.paths import VolumeResource
from trivet.domain.volumes import acts, backups, groups, limits, volumes
from trivet.domain.volumes.create import VolumeCreate, create
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.errors import Invalid
from trivet.store.where import Where

resource = VolumeResource()
SORTS = {
    "id": "id",
    "name": "name",
    "status": "status",
    "size": "size_gib",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "availability_zone": "zone",
    "bootable": "bootable",
    "project_id": "project_id",
    "display_name": "name",
    "user_id": "user_id",
}
_FILTERS = {
    "id": "id",
    "name": "name",
    "display_name": "name",
    "status": "status",
    "user_id": "user_id",
    "availability_zone": "zone",
    "source_volid": "source_volume_id",
    "snapshot_id": "snapshot_id",
    "description": "description",
}


class NewVolume(Body, frozen=True, kw_only=True):
    size: Size | UnsetType | None = UNSET
    name: Text | None = None
    display_name: Text | UnsetType | None = UNSET
    description: Text | None = None
    display_description: Text | UnsetType | None = UNSET
    volume_type: Text | None = None
    metadata: Metadata | None = None
    availability_zone: Text | None = None
    snapshot_id: Uuid | None = None
    source_volid: Uuid | None = None
    imageRef: Text | None = None  # noqa: N815 - as it is spelled on the wire
    image_id: Text | None = None
    consistencygroup_id: Uuid | None = None
    source_replica: Any = None
    multiattach: Annotated[bool | UnsetType | None, Until("3.49")] = UNSET
    group_id: Annotated[Uuid | UnsetType | None, Since("3.13")] = UNSET
    backup_id: Annotated[Uuid | UnsetType | None, Since("3.47")] = UNSET
    # What clients of old send along, and nobody reads.
    user_id: Any = None
    project_id: Any = None
    status: Any = None
    attach_status: Any = None


class LooseVolume(NewVolume, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Before 3.53, what nobody knows is passed over."""


class CreateBody(Loose, frozen=True, kw_only=True):
    volume: NewVolume
    hints: dict[str, Any] | None = msgspec.field(default=None, name="OS-SCH-HNT:scheduler_hints")


class LooseBody(CreateBody, frozen=True, kw_only=True):
    volume: LooseVolume


class Changes(Loose, frozen=True, kw_only=True):
    name: Text | UnsetType | None = UNSET
    display_name: Text | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    display_description: Text | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET


class UpdateBody(Loose, frozen=True, kw_only=True):
    volume: Changes


def volume_id(request: Request) -> str:
    return request.values["volume_id"]


async def visible(request: Request) -> Volume:
    return await volumes.visible(request.tx, request.caller, volume_id(request))


async def changeable(request: Request) -> Volume:
    return await volumes.changeable(request.tx, request.caller, volume_id(request))


@resource.on("POST", "/volumes", may="member")
async def create_volume(request: Request) -> Reply:
    said = request.read(CreateBody if request.version >= 3053 else LooseBody, strict=False).volume
    if said.consistencygroup_id is not None or said.source_replica is not None:
        raise Invalid("volume.not_offered", "Consistency groups and replicas are not offered; use groups instead.")
    if said.multiattach not in (UNSET, None, False):
        raise Invalid(
            "volume.multiattach", "Whether a volume can be shared is said by its type (multiattach <is> True)."
        )
    group_id = None if said.group_id is UNSET else said.group_id
    if group_id is not None:
        await groups.check_new_member(request.tx, request.caller, group_id, said.volume_type)
    wanted = VolumeCreate(
        size_gib=None if said.size is UNSET else said.size,
        name=name_of(said.display_name if said.display_name is not UNSET else said.name),
        description=said.display_description if said.display_description is not UNSET else said.description,
        type=said.volume_type or None,
        zone=said.availability_zone,
        image_id=said.imageRef or said.image_id,
        snapshot_id=said.snapshot_id,
        source_volume_id=said.source_volid,
        metadata=said.metadata or {},
        group_id=group_id,
    )
    if said.backup_id in (UNSET, None):
        volume = await create(request.tx, request.caller, wanted, request.id, request.parts.secrets)
    else:
        volume = await backups.restore_as(request.tx, request.caller, str(said.backup_id), wanted, request.id)
    await limits.settled(request.tx)
    return Reply(202, {"volume": await views.written(request, volume)})


@resource.on("GET", "/volumes", may="reader")
async def list_volumes(request: Request) -> Reply:
    found, count = await _found(request)
    listed = [views.brief(request, volume) for volume in found]
    return paging.page_of(request, "volumes", "volumes", found, listed, count=count)


@resource.on("GET", "/volumes/detail", may="reader")
async def list_in_detail(request: Request) -> Reply:
    found, count = await _found(request)
    listed = await views.detailed(request, found)
    return paging.page_of(request, "volumes", "volumes/detail", found, listed, count=count)


@resource.on("GET", "/volumes/summary", may="reader", since="3.12")
async def summary(request: Request) -> Reply:
    where = paging.scoped(request)
    count, gib = await volumes.count_and_gib(request.tx, "volumes", where)
    view: dict[str, Any] = {"total_count": count, "total_size": gib}
    if request.version >= 3036:
        view["metadata"] = await _all_metadata(request, where)
    return Reply(200, {"volume-summary": view})


@resource.on("GET", "/volumes/{volume_id}", may="reader")
async def show(request: Request) -> Reply:
    return Reply(200, {"volume": await views.shown(request, await visible(request))})


@resource.on("PUT", "/volumes/{volume_id}", may="member")
async def update(request: Request) -> Reply:
    said = request.read(UpdateBody, strict=False).volume
    changes: dict[str, Any] = {}
    for column, names in (("name", ("name", "display_name")), ("description", ("description", "display_description"))):
        for name in names:
            if getattr(said, name) is not UNSET:
                changes[column] = getattr(said, name)
    if said.metadata not in (UNSET, None):
        changes["metadata"] = said.metadata
    if not changes:
        raise Invalid("body.invalid", "Invalid input: name, description or metadata must be given.")
    if "name" in changes:
        changes["name"] = name_of(changes["name"])
    volume = await volumes.change(request.tx, await changeable(request), **changes)
    return Reply(200, {"volume": await views.written(request, volume)})


@resource.on("DELETE", "/volumes/{volume_id}", may="member")
async def delete(request: Request) -> Reply:
    force = request.version >= 3023 and bool(request.asked_flag("force"))
    if force and not request.caller.is_operator:
        raise Invalid("policy.forbidden", "Only an administrator may force the deletion of a volume.", status=403)
    cascade = bool(request.asked_flag("cascade"))
    keep_s = request.parts.settings.reclaim_volumes_s
    await acts.delete(request.tx, request.caller, volume_id(request), cascade=cascade, force=force, keep_s=keep_s)
    return Reply(202)


# -- what is asked of a list


async def _found(request: Request) -> tuple[list[Volume], int | None]:
    seen = paging.scoped(request)
    where = _narrowed(request, seen.copy())
    count = await paging.count(request, VOLUMES, where)
    return await paging.find(request, VOLUMES, SORTS, where, seen=seen), count


def _narrowed(request: Request, where: Where) -> Where:
    paging.filtered(request, where, _FILTERS)
    bootable = request.asked_flag("bootable")
    if bootable is not None:
        where.equal("bootable", int(bootable))
    multiattach = request.asked_flag("multiattach")
    if multiattach is not None:
        where.equal("multiattach", int(multiattach))
    group_id = request.asked("group_id")
    if group_id is not None and request.version >= 3010:
        where.equal("group_id", group_id)
    type_name = request.asked("volume_type") or request.asked("volume_type_id")
    if type_name is not None:
        where.add("type_id IN (SELECT id FROM volume_types WHERE name = ? OR id = ?)", type_name, type_name)
    paging.at_times(request, where)
    paging.by_metadata(request, where, "metadata", "metadata")
    if request.version >= 3004:
        paging.by_metadata(request, where, "glance_metadata", "image_metadata")
    host = request.asked("host")
    if host is not None and request.caller.is_operator:
        where.equal("backend_id", host.partition("#")[0])
    return where


async def _all_metadata(request: Request, where: Where) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for volume in await request.tx.select(VOLUMES, where, limit=1000):
        for key, value in volume.metadata.items():
            found.setdefault(key, set()).add(value)
    return {key: sorted(values) for key, values in found.items()}
