"""Groups: volumes that are looked after together, and snapshots of all of them.

Each volume's snapshot is of one moment; that they are all of the same moment is not promised, and a group type that
asks for it is refused its snapshots.
"""

from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.volumes import acts, limits, metadata, snapshots, types
from trivet.domain.volumes.create import VolumeCreate, create
from trivet.domain.volumes.snapshots import SNAPSHOTS, Snapshot
from trivet.domain.volumes.volumes import VOLUMES, Volume, changeable
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Status = Literal["creating", "available", "error", "deleting", "updating", "error_deleting"]
_CONSISTENT = "consistent_group_snapshot_enabled"
MOST = 100
"""Volumes of one group."""


class GroupType(Record, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    is_public: bool = True
    group_specs: dict[str, str] = {}
    created_at: float
    updated_at: float


class Group(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    name: str | None = None
    description: str | None = None
    status: Status = "available"
    zone: str | None = None
    group_type_id: str
    type_ids: tuple[str, ...] = ()
    group_snapshot_id: str | None = None
    source_group_id: str | None = None
    created_at: float
    updated_at: float


class GroupSnapshot(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    name: str | None = None
    description: str | None = None
    group_id: str
    group_type_id: str
    status: Status = "creating"
    created_at: float
    updated_at: float


GROUP_TYPES = Table("volume_group_types", GroupType)
GROUPS = Table("volume_groups", Group)
GROUP_SNAPSHOTS = Table("volume_group_snapshots", GroupSnapshot)


class GroupWanted(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    description: str | None = None
    group_type: str = ""
    """Name or id."""
    volume_types: tuple[str, ...] = ()
    zone: str | None = None


# -- looking


async def visible_type(tx: Tx, caller: Caller, id: str) -> GroupType:
    found = await tx.get(GROUP_TYPES, id) or await tx.find(GROUP_TYPES, "name = ?", id)
    if found is None or not (found.is_public or caller.is_operator):
        raise NotFound("group_type.absent", f"Group type {id[:64]} could not be found.")
    return found


async def visible(tx: Tx, caller: Caller, id: str) -> Group:
    found = await tx.get(GROUPS, id) if is_uuid(id) else None
    if found is None or not caller.may_see(found.project_id):
        raise NotFound("group.absent", f"Group {id[:64]} could not be found.")
    return found


async def owned(tx: Tx, caller: Caller, id: str) -> Group:
    found = await visible(tx, caller, id)
    if not (caller.owns(found.project_id) or caller.is_operator):
        raise NotFound("group.absent", f"Group {id[:64]} could not be found.")
    return found


async def visible_snapshot(tx: Tx, caller: Caller, id: str) -> GroupSnapshot:
    found = await tx.get(GROUP_SNAPSHOTS, id) if is_uuid(id) else None
    if found is None or not caller.may_see(found.project_id):
        raise NotFound("group_snapshot.absent", f"GroupSnapshot {id[:64]} could not be found.")
    return found


async def members(tx: Tx, group_id: str) -> list[Volume]:
    return await tx.select(VOLUMES, Where().equal("group_id", group_id), order="id")


async def parts(tx: Tx, group_snapshot_id: str) -> list[Snapshot]:
    return await tx.select(SNAPSHOTS, Where().equal("group_snapshot_id", group_snapshot_id), order="created_at, id")


async def settle_snapshot(tx: Tx, id: str) -> None:
    """One more of its parts has come to its end."""
    snapshot = await tx.get(GROUP_SNAPSHOTS, id)
    if snapshot is None or snapshot.status != "creating":
        return
    states = {part.status for part in await parts(tx, id)}
    if "creating" not in states:
        status = "error" if "error" in states else "available"
        await tx.update(GROUP_SNAPSHOTS, snapshot, status=status, updated_at=tx.clock.now())


# -- group types


async def create_type(tx: Tx, type: GroupType) -> GroupType:
    if not await tx.insert_new(GROUP_TYPES, type):
        raise Conflict("group_type.exists", f"Group Type {type.name} already exists.")
    return type


async def change_type(tx: Tx, type: GroupType, **changes: Any) -> GroupType:
    return await tx.update(GROUP_TYPES, type, updated_at=tx.clock.now(), **changes)


async def specify_type(tx: Tx, type: GroupType, specs: dict[str, str]) -> GroupType:
    return await change_type(tx, type, group_specs=metadata.bounded(specs, "A group type", "specs"))


async def delete_type(tx: Tx, type: GroupType) -> None:
    if await tx.row("SELECT 1 FROM volume_groups WHERE group_type_id = ? LIMIT 1", type.id) is not None:
        raise Invalid("group_type.in_use", f"Target group type is still in use: group type {type.id}.")
    await tx.delete(GROUP_TYPES, type)


# -- groups


async def create_group(tx: Tx, caller: Caller, wanted: GroupWanted) -> Group:
    if caller.project_id is None:
        raise Forbidden("scope.project_needed", "A group belongs to a project: use a token scoped to one.")
    group_type = await visible_type(tx, caller, wanted.group_type)
    if not wanted.volume_types:
        raise Invalid("group.types", "Invalid input: volume_types must be provided to create a group.")
    type_ids = tuple(dict.fromkeys([(await types.named(tx, caller, name)).id for name in wanted.volume_types]))
    group = _new(tx, caller, wanted, project_id=caller.project_id, group_type_id=group_type.id, type_ids=type_ids)
    await tx.insert(GROUPS, group)
    limits.take(tx, caller.project_id, {"groups": 1})
    return group


def _new(
    tx: Tx, caller: Caller, wanted: GroupWanted, *, project_id: str, group_type_id: str, type_ids: tuple[str, ...]
) -> Group:
    now = tx.clock.now()
    return Group(
        id=tx.ids.uuid(),
        project_id=project_id,
        user_id=caller.user_id,
        name=wanted.name,
        description=wanted.description,
        zone=wanted.zone,
        group_type_id=group_type_id,
        type_ids=type_ids,
        created_at=now,
        updated_at=now,
    )


async def check_new_member(tx: Tx, caller: Caller, group_id: str, type_name: str | None) -> None:
    """For a volume that is made in a group."""
    group = await owned(tx, caller, group_id)
    if not caller.owns(group.project_id):
        raise NotFound("group.absent", f"Group {group_id[:64]} could not be found.")
    if type_name is None:
        raise Invalid("group.type_needed", "volume_type must be provided when creating a volume in a group.")
    if (await types.named(tx, caller, type_name)).id not in group.type_ids:
        raise Invalid("group.type", f"Invalid volume_type {type_name[:64]}: it is not among the types of the group.")
    await tx.update(GROUPS, group, updated_at=tx.clock.now())
    if len(await members(tx, group.id)) >= MOST:
        raise _full()


def _full() -> Invalid:
    return Invalid("group.full", f"A group has {MOST} volumes at most.")


async def change(
    tx: Tx, caller: Caller, id: str, words: dict[str, str | None], *, added: tuple[str, ...], removed: tuple[str, ...]
) -> Group:
    group = await owned(tx, caller, id)
    if set(added) & set(removed):
        raise Invalid("group.both", "Invalid volume: the same volume is in both add_volumes and remove_volumes.")
    group = await tx.update(GROUPS, group, updated_at=tx.clock.now(), **words)
    for volume_id in sorted(removed):
        volume = await tx.get(VOLUMES, volume_id)
        if volume is None or volume.group_id != group.id:
            raise Invalid(
                "group.no_member",
                f"Cannot remove volume {volume_id[:64]} from group {group.id}: it is not in it.",
            )
        await tx.update(VOLUMES, volume, group_id=None, updated_at=tx.clock.now())
    for volume_id in sorted(added):
        await _add(tx, caller, group, volume_id)
    if len(await members(tx, group.id)) > MOST:
        raise _full()
    return group


async def _add(tx: Tx, caller: Caller, group: Group, volume_id: str) -> None:
    volume = await changeable(tx, caller, volume_id)
    if volume.project_id != group.project_id or volume.group_id is not None:
        raise Invalid(
            "group.other",
            f"Cannot add volume {volume.id} to group {group.id}: it is in another, or another's.",
        )
    if volume.type_id not in group.type_ids or volume.status not in ("available", "in-use"):
        raise Invalid(
            "group.type",
            f"Cannot add volume {volume.id} to group {group.id}: its type or status does not fit.",
        )
    await tx.update(VOLUMES, volume, group_id=group.id, updated_at=tx.clock.now())


async def delete(tx: Tx, caller: Caller, id: str, *, delete_volumes: bool) -> None:
    group = await owned(tx, caller, id)
    inside = await members(tx, group.id)
    if inside and not delete_volumes:
        raise Invalid(
            "group.not_empty",
            f"Group {group.id} still contains volumes. The delete-volumes flag is required.",
        )
    if await tx.row("SELECT 1 FROM volume_group_snapshots WHERE group_id = ? LIMIT 1", group.id) is not None:
        raise Invalid("group.snapshots", f"Cannot delete group {group.id}: it has group snapshots.")
    await tx.delete(GROUPS, group)
    for volume in inside:
        await acts.delete(tx, caller, (await tx.update(VOLUMES, volume, group_id=None)).id)
    limits.give_back(tx, group.project_id, {"groups": 1})


async def reset(tx: Tx, caller: Caller, id: str, status: Status) -> None:
    await tx.update(GROUPS, await owned(tx, caller, id), status=status, updated_at=tx.clock.now())


# -- snapshots of groups


async def snapshot(tx: Tx, caller: Caller, group_id: str, name: str | None, description: str | None) -> GroupSnapshot:
    group = await owned(tx, caller, group_id)
    group_type = await tx.need(GROUP_TYPES, group.group_type_id, "group type")
    if group_type.group_specs.get(_CONSISTENT, "").lower() == "<is> true":
        raise Invalid("group.consistent", "Snapshots of all volumes at one moment are not offered here.")
    inside = await members(tx, group.id)
    if not inside:
        raise Invalid("group.empty", f"Group {group.id} is empty: there is nothing to make a snapshot of.")
    now = tx.clock.now()
    made = GroupSnapshot(
        id=tx.ids.uuid(),
        project_id=group.project_id,
        user_id=caller.user_id,
        name=name,
        description=description,
        group_id=group.id,
        group_type_id=group.group_type_id,
        created_at=now,
        updated_at=now,
    )
    await tx.insert(GROUP_SNAPSHOTS, made)
    for volume in inside:
        part = await snapshots.create(
            tx, caller, volume.id, force=True, name=name, description=description, metadata={}
        )
        await tx.update(SNAPSHOTS, part, group_snapshot_id=made.id)
    return made


async def reset_snapshot(tx: Tx, caller: Caller, id: str, status: Status) -> None:
    found = await visible_snapshot(tx, caller, id)
    await tx.update(GROUP_SNAPSHOTS, found, status=status, updated_at=tx.clock.now())


async def delete_snapshot(tx: Tx, caller: Caller, id: str) -> None:
    found = await visible_snapshot(tx, caller, id)
    if not (caller.owns(found.project_id) or caller.is_operator):
        raise NotFound("group_snapshot.absent", f"GroupSnapshot {id[:64]} could not be found.")
    for part in await parts(tx, found.id):
        if part.status not in ("available", "error", "error_deleting", "deleting"):
            raise Invalid("snapshot.status", f"Invalid group snapshot: its snapshot {part.id} is {part.status}.")
        await snapshots.refuse_if_read(tx, part.id)
        freed = await tx.update(SNAPSHOTS, part, group_snapshot_id=None)
        if not (freed.status == "deleting" and freed.works):
            await snapshots.mark_deleting(tx, freed)
    await tx.delete(GROUP_SNAPSHOTS, found)


async def create_from(
    tx: Tx,
    caller: Caller,
    wanted: GroupWanted,
    *,
    group_snapshot_id: str | None,
    source_group_id: str | None,
    request_id: str,
) -> Group:
    """A copy of every volume of a group, as it is or as a snapshot has it."""
    if (group_snapshot_id is None) == (source_group_id is None):
        raise Invalid("group.source", "Either group_snapshot_id or source_group_id must be provided, and not both.")
    if caller.project_id is None:
        raise Forbidden("scope.project_needed", "A group belongs to a project: use a token scoped to one.")
    if group_snapshot_id is not None:
        found = await visible_snapshot(tx, caller, group_snapshot_id)
        source = await owned(tx, caller, found.group_id)
        origins = [VolumeCreate(snapshot_id=part.id) for part in await parts(tx, found.id)]
    else:
        source = await owned(tx, caller, source_group_id or "")
        origins = [VolumeCreate(source_volume_id=volume.id) for volume in await members(tx, source.id)]
    if not origins:
        raise Invalid("group.empty", "Its source has no volumes.")
    group = _new(
        tx,
        caller,
        wanted,
        project_id=caller.project_id,
        group_type_id=source.group_type_id,
        type_ids=source.type_ids,
    )
    group = msgspec.structs.replace(group, group_snapshot_id=group_snapshot_id, source_group_id=source_group_id)
    await tx.insert(GROUPS, group)
    for origin in origins:
        await create(tx, caller, msgspec.structs.replace(origin, name=wanted.name, group_id=group.id), request_id)
    limits.take(tx, caller.project_id, {"groups": 1})
    return group
