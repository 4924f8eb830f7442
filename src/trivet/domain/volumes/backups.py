"""Backups: what a volume held at one moment, kept as objects in its project's account, whatever becomes of the volume.

A row says what is wanted, the volume controller makes it so. An incremental one stores only what differs from its
parent, and refers to the parent's objects for the rest: so a parent stays while any depends on it.
The objects are the tenant's own, to see and to copy elsewhere; whether they are still what they were is checked when
they are read.
"""

from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.objects import names as object_names
from trivet.domain.row_locks import hold
from trivet.domain.volumes import create as volume_create
from trivet.domain.volumes import limits, messages, snapshots
from trivet.domain.volumes.create import VolumeCreate
from trivet.domain.volumes.snapshots import SNAPSHOTS, Snapshot
from trivet.domain.volumes.volumes import VOLUMES, Task, Volume, changeable
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Status = Literal["error", "error_deleting", "creating", "available", "deleting", "deleted", "restoring"]
CONTAINER = "volumebackups"
_CHAIN_MAX = 1000
"""Of incremental ones on each other; each names all that its bytes lie in."""


class Backup(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    volume_id: str
    """Of which it was made; it may be gone."""
    snapshot_id: str | None = None
    parent_id: str | None = None
    restored_id: str | None = None
    """The volume that it is being restored to."""
    backend_id: str | None = None
    """Which has the volume that it is made from, or restored to."""
    zone: str
    name: str | None = None
    description: str | None = None
    container: str
    prefix: str
    """With which its objects' names begin."""
    index_digest: str | None = None
    """SHA-256 of the object that lists its pieces. None: it is not complete."""
    size_gib: int
    status: Status = "creating"
    works: bool = False
    """The controller has to do what the status says. An operator who resets a status asks for nothing."""
    object_count: int = 0
    fail_reason: str | None = None
    metadata: dict[str, str] = {}
    request_id: str = ""
    data_at: float
    """When the volume held that."""
    created_at: float
    updated_at: float


BACKUPS = Table("volume_backups", Backup)
MAKING, DELETING, RESTORING = (f"VOLUME_VOLUME_BACKUP_{number}_001" for number in ("013", "014", "015"))
"""What was being done, as clients of the messages API know it by number."""


async def visible(tx: Tx, caller: Caller, id: str) -> Backup:
    found = await tx.get(BACKUPS, id) if is_uuid(id) else None
    if found is None or not caller.may_see(found.project_id):
        raise absent(id)
    return found


async def owned(tx: Tx, caller: Caller, id: str) -> Backup:
    found = await visible(tx, caller, id)
    if not (caller.owns(found.project_id) or caller.is_operator):
        raise absent(id)
    return found


def absent(id: str) -> NotFound:
    return NotFound("backup.absent", f"Backup {id[:64]} could not be found.")


async def change(tx: Tx, backup: Backup, **changes: Any) -> Backup:
    """With another status, whatever was going on with it has come to its end."""
    if "status" in changes:
        changes = {"works": False, "restored_id": None} | changes
    return await tx.update(BACKUPS, backup, updated_at=tx.clock.now(), **changes)


async def leave_message(tx: Tx, backup: Backup, event_id: str, text: str) -> None:
    await messages.leave_about(
        tx, "VOLUME_BACKUP", backup.id, backup.project_id, event_id=event_id, text=text, request_id=backup.request_id
    )


async def dependants(tx: Tx, ids: list[str]) -> set[str]:
    """Of these, those that others depend on."""
    if not ids:
        return set()
    where = Where().any_of("parent_id", ids)
    rows = await tx.rows(f"SELECT DISTINCT parent_id FROM volume_backups{where.sql}", *where.values)
    return {str(row[0]) for row in rows}


# -- making


async def create(
    tx: Tx, caller: Caller, volume_id: str, *, snapshot_id: str | None, incremental: bool, force: bool,
    container: str | None, name: str | None, description: str | None, metadata: dict[str, str], request_id: str,
) -> Backup:  # fmt: skip
    project_id = caller.project_id
    if project_id is None:
        raise Forbidden("scope.project_needed", "A backup belongs to a project: use a token scoped to one.")
    volume = await changeable(tx, caller, volume_id)
    _refuse_encrypted(volume)
    if container is not None:
        object_names.check_container(container)
    snapshot = await _snapshot(tx, caller, volume, snapshot_id) if snapshot_id is not None else None
    if snapshot is None:
        _check_volume(volume, force=force)
    if volume.backend_id is None or volume.launched_at is None:
        raise Invalid("volume.status", f"Invalid volume: Volume {volume.id} was never made.")
    parent = await _parent(tx, project_id, volume, snapshot) if incremental else None
    id, now = tx.ids.uuid(), tx.clock.now()
    backup = Backup(
        id=id,
        project_id=project_id,
        user_id=caller.user_id,
        volume_id=volume.id,
        snapshot_id=snapshot.id if snapshot is not None else None,
        parent_id=parent.id if parent is not None else None,
        backend_id=volume.backend_id,
        zone=volume.zone,
        name=name,
        description=description,
        container=container or CONTAINER,
        prefix=f"volume_{volume.id}/backup_{id}/",
        size_gib=snapshot.size_gib if snapshot is not None else volume.size_gib,
        works=True,
        metadata=metadata,
        request_id=request_id,
        data_at=snapshot.created_at if snapshot is not None else now,
        created_at=now,
        updated_at=now,
    )
    if snapshot is not None:
        await snapshots.change(tx, snapshot, status="backing-up")
    else:
        await _occupy(tx, volume, "backing-up", request_id)
    await tx.insert(BACKUPS, backup)
    limits.take(tx, project_id, of_backup(backup.size_gib))
    return backup


def of_backup(size_gib: int) -> dict[str, int]:
    return {"backups": 1, "backup_gigabytes": size_gib}


async def _snapshot(tx: Tx, caller: Caller, volume: Volume, id: str) -> Snapshot:
    snapshot = await snapshots.owned(tx, caller, id)
    if snapshot.volume_id != volume.id:
        raise Invalid(
            "snapshot.other",
            f"Invalid volume: Volume {volume.id} does not match with snapshot.volume_id {snapshot.volume_id}.",
        )
    await hold(tx, SNAPSHOTS, snapshot.id)
    snapshot = await tx.need(SNAPSHOTS, snapshot.id, "snapshot")
    if snapshot.status != "available":
        raise Invalid(
            "snapshot.status",
            "Invalid snapshot: Snapshot to be backed up must be available, but the current status is "
            f'"{snapshot.status}".',
        )
    return snapshot


def _check_volume(volume: Volume, *, force: bool) -> None:
    if volume.status not in ("available", "in-use") or volume.migration_status is not None:
        raise Invalid(
            "volume.status",
            "Invalid volume: Volume to be backed up must be available or in-use, but the current status is "
            f'"{volume.status}".',
        )
    if volume.status == "in-use" and not force:
        raise Invalid("volume.status", "Invalid volume: Backing up an in-use volume must use the force flag.")


async def _parent(tx: Tx, project_id: str, volume: Volume, snapshot: Snapshot | None) -> Backup:
    """The newest; of a snapshot, the newest of those that are older than it."""
    where = Where().equal("volume_id", volume.id).equal("project_id", project_id)
    if snapshot is not None:
        where.add("data_at < ?", snapshot.created_at)
    found = await tx.select(BACKUPS, where, order="data_at DESC, id", limit=1)
    if not found:
        raise Invalid("backup.no_parent", "Invalid backup: No backups available to do an incremental backup.")
    await hold(tx, BACKUPS, found[0].id)
    parent = await tx.need(BACKUPS, found[0].id, "backup")
    if parent.status != "available" or parent.index_digest is None:
        raise Invalid("backup.status", "Invalid backup: The parent backup must be available for incremental backup.")
    if await _depth(tx, parent) >= _CHAIN_MAX:
        raise Invalid("backup.chain", f"Invalid backup: it would be number {_CHAIN_MAX} in a row; make a full one.")
    return parent


async def _depth(tx: Tx, backup: Backup) -> int:
    row = await tx.row(
        "WITH RECURSIVE chain (id, parent_id) AS (SELECT id, parent_id FROM volume_backups WHERE id = ?"
        " UNION ALL SELECT b.id, b.parent_id FROM volume_backups b JOIN chain ON b.id = chain.parent_id)"
        " SELECT COUNT(*) FROM chain",
        backup.id,
    )
    return int(row[0]) if row is not None else 0


async def _occupy(tx: Tx, volume: Volume, status: Literal["backing-up", "restoring-backup"], request_id: str) -> Volume:
    return await tx.update(
        VOLUMES, volume, status=status, previous_status=volume.status, task=Task(request_id=request_id),
        updated_at=tx.clock.now(),
    )  # fmt: skip


# -- restoring


async def restore(
    tx: Tx, caller: Caller, id: str, *, volume_id: str | None, name: str | None, request_id: str
) -> tuple[Backup, Volume]:
    backup = await owned(tx, caller, id)
    wanted = VolumeCreate(
        size_gib=backup.size_gib, name=name or f"restore_backup_{backup.id}",
        description="auto-created_from_restore_from_backup",
    )  # fmt: skip
    return await _restore(tx, caller, backup, wanted if volume_id is None else volume_id, request_id)


async def restore_as(tx: Tx, caller: Caller, id: str, wanted: VolumeCreate, request_id: str) -> Volume:
    """To a new volume, as it is wanted."""
    if (wanted.snapshot_id, wanted.source_volume_id, wanted.image_id) != (None, None, None):
        raise Invalid("volume.two_sources", "Invalid input received: a volume is made from a backup or something else.")
    backup = await owned(tx, caller, id)
    if wanted.size_gib is None:
        wanted = msgspec.structs.replace(wanted, size_gib=backup.size_gib)
    return (await _restore(tx, caller, backup, wanted, request_id))[1]


def _refuse_encrypted(volume: Volume) -> None:
    """A backup is what the volume says, and would lie open in the object store."""
    if volume.encryption_key_id is not None:
        raise Invalid(
            "volume.encrypted",
            f"Invalid volume: Volume {volume.id} is encrypted, and there are no backups of such a volume here; make a"
            " snapshot, or back up inside the server.",
        )


async def _restore(
    tx: Tx, caller: Caller, backup: Backup, target: VolumeCreate | str, request_id: str
) -> tuple[Backup, Volume]:
    await hold(tx, BACKUPS, backup.id)
    backup = await tx.need(BACKUPS, backup.id, "backup")
    if backup.status != "available" or backup.index_digest is None:
        raise Invalid("backup.status", "Invalid backup: Backup status must be available")
    if isinstance(target, str):
        volume = await changeable(tx, caller, target)
        if volume.status != "available" or volume.launched_at is None:
            raise Invalid("volume.status", "Invalid volume: Volume to be restored to must be available")
    else:
        volume = await volume_create.create(tx, caller, target, request_id)
    _refuse_encrypted(volume)
    if backup.size_gib > volume.size_gib:
        raise Invalid(
            "volume.size",
            f"Invalid volume: volume size {volume.size_gib} is too small to restore backup of size {backup.size_gib}.",
        )
    if volume.backend_id is None:
        raise Invalid("volume.no_room", f"Invalid volume: no back end has room to restore backup {backup.id}.")
    changed = await tx.update(
        BACKUPS, backup, status="restoring", works=True, restored_id=volume.id, backend_id=volume.backend_id,
        request_id=request_id, updated_at=tx.clock.now(),
    )  # fmt: skip
    return changed, await _occupy(tx, volume, "restoring-backup", request_id)


# -- deleting


async def delete(tx: Tx, caller: Caller, id: str, *, force: bool = False) -> None:
    backup = await owned(tx, caller, id)
    if backup.status == "deleting" and backup.works:
        return
    if not force and backup.status not in ("available", "error"):
        raise Invalid("backup.status", "Invalid backup: Backup status must be available or error")
    if backup.works:
        raise Invalid("backup.works", "Invalid backup: it is being worked on; wait until that has ended.")
    await hold(tx, BACKUPS, backup.id)
    if await dependants(tx, [backup.id]):
        raise Invalid("backup.dependants", "Invalid backup: Incremental backups exist for this backup.")
    await tx.update(BACKUPS, backup, status="deleting", works=True, updated_at=tx.clock.now())


async def finish_delete(tx: Tx, backup: Backup) -> None:
    await tx.delete(BACKUPS, backup)
    limits.give_back(tx, backup.project_id, of_backup(backup.size_gib))


async def reset(tx: Tx, caller: Caller, id: str, status: Literal["available", "error"]) -> None:
    """What is being done with it, or with a volume because of it, is left as it is."""
    backup = await owned(tx, caller, id)
    if status == "available" and backup.index_digest is None:
        raise Invalid("backup.incomplete", "Invalid backup: it is not complete, so it cannot be available.")
    await change(tx, backup, status=status)
