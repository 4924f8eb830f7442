"""Acts on volumes: each checks, writes what is wanted from now on, and leaves the rest to the controller."""

from trivet.domain.callers import Caller
from trivet.domain.volumes import attachments, backends, deleted_volumes, encryption, limits, snapshots, types
from trivet.domain.volumes.create import SIZE_MAX
from trivet.domain.volumes.snapshots import SNAPSHOTS
from trivet.domain.volumes.volumes import (
    REIMAGING,
    VOLUMES,
    Status,
    Task,
    Volume,
    change,
    changeable,
    need_status,
    refuse_if_read,
)
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx

_DELETABLE = ("available", "error", "error_deleting", "error_restoring", "error_extending", "error_managing")


async def delete(
    tx: Tx, caller: Caller, id: str, *, cascade: bool = False, force: bool = False, keep_s: int = 0
) -> None:
    """`keep_s`: how long its data are kept, if they can be; who deletes by force wants them gone."""
    volume = await changeable(tx, caller, id)
    if volume.status == "deleting" and volume.working:
        return
    if not force:
        need_status(volume, _DELETABLE, "delete")
    if volume.migration_status is not None:
        raise Invalid("volume.migrating", f"Invalid volume: volume {volume.id} must not be migrating to be deleted.")
    if volume.group_id is not None:
        raise Invalid("volume.in_group", f"Invalid volume: volume {volume.id} is in group {volume.group_id}.")
    used = [attachment for attachment in await attachments.of_volume(tx, volume.id) if attachment.status != "gone"]
    if used:
        raise Invalid("volume.attached", f"Invalid volume: volume {volume.id} is attached; detach it first.")
    await refuse_if_read(tx, volume.id)
    kept = await snapshots.of_volume(tx, volume.id)
    if kept and not cascade:
        raise Invalid(
            "volume.snapshots", f"Invalid volume: Volume {volume.id} still has {len(kept)} dependent snapshots."
        )
    for snapshot in kept:
        if snapshot.status not in ("available", "error", "error_deleting", "deleting"):
            raise Invalid("snapshot.status", f"Invalid volume: snapshot {snapshot.id} of it is {snapshot.status}.")
        await snapshots.refuse_if_read(tx, snapshot.id)
        if not (snapshot.status == "deleting" and snapshot.works):
            await snapshots.mark_deleting(tx, snapshot)
    if keep_s > 0 and not force and await deleted_volumes.can_be_kept(tx, volume):
        await deleted_volumes.keep(tx, volume, keep_s)
    else:
        await mark_deleting(tx, volume)


async def mark_deleting(tx: Tx, volume: Volume) -> None:
    """What is on no back end is gone at once."""
    volume = await tx.update(
        VOLUMES, volume, status="deleting", task=Task(), previous_status=volume.status, updated_at=tx.clock.now()
    )
    if volume.backend_id is None:
        await finish_delete(tx, volume)


async def finish_delete(tx: Tx, volume: Volume) -> None:
    """Nothing of it is left on its back end, and nobody waits at its door."""
    for snapshot in await snapshots.of_volume(tx, volume.id):
        await snapshots.finish_delete(tx, snapshot)
    for attachment in await attachments.of_volume(tx, volume.id):
        await tx.delete(attachments.ATTACHMENTS, attachment)
    await tx.delete(VOLUMES, volume)
    await backends.free(tx, volume.backend_id, volume.size_gib)
    await encryption.drop_key(tx, volume)
    limits.give_back(tx, volume.project_id, limits.of_volume(volume.type_id, volume.size_gib))


async def server_gone(tx: Tx, server_id: str) -> None:
    """Nobody uses its volumes any more; those that were to go with it go, if nothing else needs them."""
    used = (await attachments.of_servers(tx, (server_id,))).get(server_id, [])
    for attachment in used:
        await tx.update(attachments.ATTACHMENTS, attachment, status="gone", deadline_at=None, updated_at=tx.clock.now())
    doomed = {attachment.volume_id for attachment in used if attachment.delete_on_termination}
    for volume in await attachments.settle_all(tx, [attachment.volume_id for attachment in used]):
        if volume.id in doomed and await _unused(tx, volume):
            await mark_deleting(tx, volume)


async def _unused(tx: Tx, volume: Volume) -> bool:
    used = [attachment for attachment in await attachments.of_volume(tx, volume.id) if attachment.status != "gone"]
    busy = volume.status not in ("available", "detaching", "error", "creating")
    return not used and not busy and not await snapshots.of_volume(tx, volume.id)


async def extend(tx: Tx, caller: Caller, id: str, size_gib: int, request_id: str, *, in_use: bool) -> Volume:
    volume = await changeable(tx, caller, id)
    need_status(volume, ("available", "in-use") if in_use else ("available",), "extend")
    if size_gib <= volume.size_gib or size_gib > SIZE_MAX:
        raise Invalid(
            "volume.size",
            "Invalid input received: New size for extend must be greater than current size. "
            f"(current: {volume.size_gib}, extended: {size_gib}).",
        )
    await limits.check_size(tx, volume.project_id, size_gib)
    more = size_gib - volume.size_gib
    volume = await _begin(tx, volume, "extending", Task(size_gib=size_gib, request_id=request_id))
    if volume.backend_id is not None and not await backends.claim(tx, volume.backend_id, more):
        raise Invalid(
            "volume.no_room", "Invalid volume: its back end has no room for that; delete something or ask for less."
        )
    limits.take(tx, volume.project_id, limits.of_growth(volume.type_id, more))
    return volume


async def revert(tx: Tx, caller: Caller, id: str, snapshot_id: str, request_id: str) -> Volume:
    volume = await changeable(tx, caller, id)
    snapshot = await snapshots.owned(tx, caller, snapshot_id)
    if snapshot.volume_id != volume.id:
        raise Invalid("snapshot.other", f"Snapshot {snapshot.id} is not of volume {volume.id}.")
    newest = await snapshots.newest(tx, volume)
    if newest is None or newest.id != snapshot.id:
        raise Invalid("snapshot.not_newest", f"Only the newest snapshot of volume {volume.id} can be reverted to.")
    need_status(volume, ("available",), "revert")
    if snapshot.status != "available" or snapshot.size_gib != volume.size_gib:
        raise Invalid("snapshot.status", f"Snapshot {snapshot.id} must be available and as large as its volume.")
    await snapshots.change(tx, snapshot, status="restoring")
    return await _begin(tx, volume, "reverting", Task(snapshot_id=snapshot.id, request_id=request_id))


async def retype(tx: Tx, caller: Caller, id: str, name: str, request_id: str) -> Volume:
    """Another type, on the back end where it is: its limits change at once, in use or not."""
    volume = await changeable(tx, caller, id)
    need_status(volume, ("available", "in-use"), "retype")
    wanted = await types.named(tx, caller, name)
    if wanted.id == volume.type_id:
        raise Invalid("volume_type.same", f"New volume_type same as original: {wanted.name}.")
    if types.shares(wanted) != volume.multiattach and volume.status != "available":
        raise Invalid(
            "volume_type.multiattach",
            "Retype needs volume to be in available state for a multiattach change.",
        )
    if (wanted.encryption is not None) != (volume.encryption_key_id is not None):
        raise Invalid(
            "volume_type.encryption",
            "Whether a volume is encrypted does not change: make one of the other type, and copy in a server.",
        )
    backend = await tx.get(backends.BACKENDS, volume.backend_id) if volume.backend_id is not None else None
    if backend is not None and not backends.fits(backend, wanted.extra_specs):
        raise Invalid(
            "volume_type.elsewhere",
            "The type is for another back end, and volumes are not moved here; make a copy.",
        )
    if await snapshots.of_volume(tx, volume.id):
        raise Invalid(
            "volume.snapshots",
            "A volume with snapshots cannot be retyped: they count for its type; delete them.",
        )
    before = limits.of_type(volume.type_id, volume.size_gib)
    volume = await tx.update(VOLUMES, volume, type_id=wanted.id, multiattach=types.shares(wanted))
    volume = await _begin(tx, volume, "retyping", Task(request_id=request_id))
    limits.take(tx, volume.project_id, limits.of_type(wanted.id, volume.size_gib))
    limits.give_back(tx, volume.project_id, before)
    return volume


async def set_read_only(tx: Tx, caller: Caller, id: str, read_only: bool) -> Volume:
    volume = await changeable(tx, caller, id)
    if volume.status != "available":
        raise Invalid(
            "volume.status", f"Invalid volume: Volume {volume.id} status must be available to update readonly flag."
        )
    return await change(tx, volume, read_only=read_only)


async def reimage(tx: Tx, volume: Volume, image_id: str, request_id: str) -> Volume:
    """Nothing stays of what it held. Nobody may use it meanwhile."""
    return await _begin(tx, volume, REIMAGING, Task(image_id=image_id, request_id=request_id))


async def upload(tx: Tx, volume: Volume, image_id: str, request_id: str) -> Volume:
    return await _begin(tx, volume, "uploading", Task(image_id=image_id, request_id=request_id))


async def reset_snapshot(tx: Tx, id: str, status: snapshots.Status) -> None:
    snapshot = await tx.get(SNAPSHOTS, id)
    if snapshot is None:
        raise NotFound("snapshot.absent", f"Snapshot {id[:64]} could not be found.")
    await snapshots.change(tx, snapshot, status=status)


async def _begin(tx: Tx, volume: Volume, status: Status, task: Task) -> Volume:
    now = tx.clock.now()
    return await tx.update(VOLUMES, volume, status=status, previous_status=volume.status, task=task, updated_at=now)
