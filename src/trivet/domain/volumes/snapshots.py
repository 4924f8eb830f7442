"""Snapshots: what a volume held at one moment. A volume cannot go while it has any."""

from typing import Any, Literal

from trivet.domain.callers import Caller
from trivet.domain.row_locks import hold
from trivet.domain.volumes import limits
from trivet.domain.volumes.volumes import VOLUMES, Volume, changeable
from trivet.errors import Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Status = Literal[
    "creating", "available", "deleting", "error", "error_deleting", "unmanaging", "restoring", "backing-up", "deleted"
]


class Snapshot(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    volume_id: str
    name: str | None = None
    description: str | None = None
    size_gib: int
    status: Status = "creating"
    works: bool = False
    """The controller has to do what the status says. An operator who resets a status asks for nothing."""
    progress: str = "0%"
    metadata: dict[str, str] = {}
    group_snapshot_id: str | None = None
    created_at: float
    updated_at: float


SNAPSHOTS = Table("volume_snapshots", Snapshot)


async def visible(tx: Tx, caller: Caller, id: str) -> Snapshot:
    found = await tx.get(SNAPSHOTS, id) if is_uuid(id) else None
    if found is None or not caller.may_see(found.project_id):
        raise absent(id)
    return found


async def owned(tx: Tx, caller: Caller, id: str) -> Snapshot:
    found = await visible(tx, caller, id)
    if not (caller.owns(found.project_id) or caller.is_operator):
        raise absent(id)
    return found


def absent(id: str) -> NotFound:
    return NotFound("snapshot.absent", f"Snapshot {id[:64]} could not be found.")


async def create(
    tx: Tx, caller: Caller, volume_id: str, *, force: bool, name: str | None, description: str | None,
    metadata: dict[str, str],
) -> Snapshot:  # fmt: skip
    volume = await changeable(tx, caller, volume_id)
    allowed = ("available", "in-use") if force else ("available",)
    if volume.status not in allowed or volume.migration_status is not None:
        raise Invalid(
            "volume.status",
            f"Invalid volume: Volume {volume.id} status must be {' or '.join(allowed)}, but current status is: "
            f"{volume.status}.",
        )
    now = tx.clock.now()
    snapshot = Snapshot(
        id=tx.ids.uuid(),
        project_id=volume.project_id,
        user_id=caller.user_id,
        volume_id=volume.id,
        name=name,
        description=description,
        size_gib=volume.size_gib,
        works=True,
        metadata=metadata,
        created_at=now,
        updated_at=now,
    )
    # Whoever deletes the volume at the same time sees another revision, and looks again.
    await tx.update(VOLUMES, volume, updated_at=now)
    await tx.insert(SNAPSHOTS, snapshot)
    limits.take(tx, volume.project_id, limits.of_snapshot(volume.type_id, volume.size_gib))
    return snapshot


async def delete(tx: Tx, caller: Caller, id: str, *, force: bool = False) -> None:
    snapshot = await owned(tx, caller, id)
    if snapshot.status == "deleting" and snapshot.works:
        return
    if not force and snapshot.status not in ("available", "error", "error_deleting"):
        raise Invalid(
            "snapshot.status",
            f"Invalid snapshot: Snapshot status must be available or error, but current status is: {snapshot.status}.",
        )
    if snapshot.group_snapshot_id is not None:
        raise Invalid(
            "snapshot.in_group", f"Invalid snapshot: it is part of group snapshot {snapshot.group_snapshot_id}."
        )
    await hold(tx, SNAPSHOTS, snapshot.id)
    await refuse_if_read(tx, snapshot.id)
    await mark_deleting(tx, snapshot)


async def refuse_if_read(tx: Tx, id: str) -> None:
    sql = "SELECT 1 FROM volumes WHERE snapshot_id = ? AND status = 'creating' LIMIT 1"
    if await tx.row(sql, id) is not None:
        raise Invalid("snapshot.read", f"Invalid snapshot: a volume is being made from snapshot {id}; wait for it.")


async def mark_deleting(tx: Tx, snapshot: Snapshot) -> Snapshot:
    return await tx.update(SNAPSHOTS, snapshot, status="deleting", works=True, updated_at=tx.clock.now())


async def finish_delete(tx: Tx, snapshot: Snapshot) -> None:
    volume = await tx.get(VOLUMES, snapshot.volume_id)
    await tx.delete(SNAPSHOTS, snapshot)
    type_id = volume.type_id if volume is not None else None
    limits.give_back(tx, snapshot.project_id, limits.of_snapshot(type_id, snapshot.size_gib))


async def of_volume(tx: Tx, volume_id: str) -> list[Snapshot]:
    return await tx.select(SNAPSHOTS, Where().equal("volume_id", volume_id), order="created_at, id")


async def change(tx: Tx, snapshot: Snapshot, **changes: Any) -> Snapshot:
    """With another status, whatever was going on with it has come to its end."""
    if "status" in changes:
        changes["works"] = False
    return await tx.update(SNAPSHOTS, snapshot, updated_at=tx.clock.now(), **changes)


async def newest(tx: Tx, volume: Volume) -> Snapshot | None:
    found = await of_volume(tx, volume.id)
    return found[-1] if found else None
