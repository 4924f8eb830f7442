"""Deleted volumes: gone for everybody and out of the quota, with their data kept for a while, if the operator says so.

A row here is all that there is of one, so that nothing else has to know. Its back end keeps the data, and the room
that they take, until `purge_at`. A project keeps at most once more what its limits let it have; then the oldest go.
"""

from trivet.domain.callers import Caller
from trivet.domain.limits.limits import limit_of
from trivet.domain.volumes import attachments, backends, encryption, limits, snapshots
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.errors import NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class DeletedVolume(Record, frozen=True, kw_only=True):
    project_id: str
    backend_id: str
    type_id: str | None
    size_gib: int
    volume: Volume
    """As it was."""
    deleted_at: float
    purge_at: float


DELETED_VOLUMES = Table("deleted_volumes", DeletedVolume)


async def can_be_kept(tx: Tx, volume: Volume) -> bool:
    """Only what was made, is whole, and is served to nobody."""
    if volume.status != "available" or volume.launched_at is None or volume.backend_id is None:
        return False
    return not await attachments.of_volume(tx, volume.id) and not await snapshots.of_volume(tx, volume.id)


async def keep(tx: Tx, volume: Volume, keep_s: int) -> None:
    assert volume.backend_id is not None
    now = tx.clock.now()
    kept = DeletedVolume(
        id=volume.id,
        project_id=volume.project_id,
        backend_id=volume.backend_id,
        type_id=volume.type_id,
        size_gib=volume.size_gib,
        volume=volume,
        deleted_at=now,
        purge_at=now + keep_s,
    )
    await _make_room(tx, kept)
    await tx.insert(DELETED_VOLUMES, kept)
    await tx.delete(VOLUMES, volume)
    limits.give_back(tx, volume.project_id, limits.of_volume(volume.type_id, volume.size_gib))


async def _make_room(tx: Tx, new: DeletedVolume) -> None:
    """Whoever makes and deletes without end takes no more of a back end than that."""
    now = tx.clock.now()
    most = [await limit_of(tx, new.project_id, name) for name in ("volumes", "gigabytes")]
    if max(most) < 0:
        return
    count, gib = 1, new.size_gib
    where = Where().equal("project_id", new.project_id).add("purge_at > ?", now)
    for kept in await tx.select(DELETED_VOLUMES, where, order="deleted_at DESC, id"):
        count, gib = count + 1, gib + kept.size_gib
        if 0 <= most[0] < count or 0 <= most[1] < gib:
            await tx.update(DELETED_VOLUMES, kept, purge_at=now)


async def visible(tx: Tx, caller: Caller, id: str) -> DeletedVolume:
    """One whose data nobody has begun to remove."""
    kept = await tx.get(DELETED_VOLUMES, id) if is_uuid(id) else None
    if kept is None or not caller.may_see(kept.project_id) or kept.purge_at <= tx.clock.now():
        raise _absent(id)
    return kept


async def changeable(tx: Tx, caller: Caller, id: str) -> DeletedVolume:
    kept = await visible(tx, caller, id)
    if not (caller.owns(kept.project_id) or caller.is_operator):
        raise _absent(id)
    return kept


def _absent(id: str) -> NotFound:
    return NotFound("deleted_volume.absent", f"No deleted volume {id[:64]} is kept.")


async def restore(tx: Tx, caller: Caller, id: str) -> Volume:
    """It is what it was, and takes its quota again."""
    kept = await changeable(tx, caller, id)
    await tx.delete(DELETED_VOLUMES, kept)
    volume = await tx.insert(VOLUMES, kept.volume)
    limits.take(tx, volume.project_id, limits.of_volume(volume.type_id, volume.size_gib))
    return volume


async def purge(tx: Tx, caller: Caller, id: str) -> None:
    """Its data go now."""
    await tx.update(DELETED_VOLUMES, await changeable(tx, caller, id), purge_at=tx.clock.now())


async def begin_purge(tx: Tx, id: str) -> bool:
    """Whether its data may go: whoever brings it back at this moment has it, or is told that it is too late."""
    kept = await tx.get(DELETED_VOLUMES, id)
    if kept is None or kept.purge_at > tx.clock.now():
        return False
    await tx.update(DELETED_VOLUMES, kept, purge_at=0.0)
    return True


async def finish_purge(tx: Tx, id: str) -> None:
    """Nothing of it is left on its back end."""
    kept = await tx.get(DELETED_VOLUMES, id)
    if kept is None:
        return
    await tx.delete(DELETED_VOLUMES, kept)
    await backends.free(tx, kept.backend_id, kept.size_gib)
    await encryption.drop_key(tx, kept.volume)
