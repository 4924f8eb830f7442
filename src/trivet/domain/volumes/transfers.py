"""Transfers: a volume that goes to another project, with the consent of both. Whoever knows the key may take it."""

import hashlib
import hmac

from trivet.domain.callers import Caller
from trivet.domain.row_locks import hold
from trivet.domain.secrets import Secrets
from trivet.domain.volumes import attachments, encryption, limits, snapshots, types
from trivet.domain.volumes.snapshots import SNAPSHOTS, Snapshot
from trivet.domain.volumes.volumes import VOLUMES, Volume, changeable, need_status, refuse_if_read
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class Transfer(Record, frozen=True, kw_only=True):
    project_id: str
    volume_id: str
    name: str | None = None
    key_hash: str
    no_snapshots: bool = False
    created_at: float


TRANSFERS = Table("volume_transfers", Transfer)


async def visible(tx: Tx, caller: Caller, id: str) -> Transfer:
    found = await _find(tx, id)
    if not caller.may_see(found.project_id):
        raise _absent(id)
    return found


async def _find(tx: Tx, id: str) -> Transfer:
    found = await tx.get(TRANSFERS, id) if is_uuid(id) else None
    if found is None:
        raise _absent(id)
    return found


def _absent(id: str) -> NotFound:
    return NotFound("transfer.absent", f"Transfer {id[:64]} could not be found.")


async def create(
    tx: Tx, caller: Caller, volume_id: str, *, name: str | None, no_snapshots: bool, encrypted: bool = False
) -> tuple[Transfer, str]:
    """With the key, which is told once. `encrypted`: the caller knows that such a volume may be given away, too."""
    volume = await changeable(tx, caller, volume_id)
    if volume.encryption_key_id is not None and not encrypted:
        raise Invalid("volume.encrypted", "Invalid volume: transferring encrypted volume is not supported")
    need_status(volume, ("available",), "be transferred")
    if volume.group_id is not None:
        raise Invalid("volume.in_group", f"Invalid volume: volume {volume.id} is in group {volume.group_id}.")
    # A copy is made when its turn comes: it would have what the next owner writes.
    await hold(tx, VOLUMES, volume.id)
    await refuse_if_read(tx, volume.id)
    _check_snapshots(volume, await snapshots.of_volume(tx, volume.id), none=no_snapshots)
    key = tx.ids.secret()[:16]
    transfer = Transfer(
        id=tx.ids.uuid(),
        project_id=volume.project_id,
        volume_id=volume.id,
        name=name,
        key_hash=_hash(key),
        no_snapshots=no_snapshots,
        created_at=tx.clock.now(),
    )
    await tx.update(VOLUMES, volume, status="awaiting-transfer", updated_at=tx.clock.now())
    return await tx.insert(TRANSFERS, transfer), key


def _check_snapshots(volume: Volume, kept: list[Snapshot], *, none: bool) -> None:
    if none and kept:
        raise Invalid("volume.snapshots", f"Invalid volume: volume {volume.id} has snapshots, which would stay behind.")
    for snapshot in kept:
        if snapshot.group_snapshot_id is not None:
            # Whoever has the snapshot of the group may delete all its parts.
            raise Invalid(
                "snapshot.in_group",
                f"Invalid volume: snapshot {snapshot.id} of it is part of group snapshot {snapshot.group_snapshot_id}; "
                "delete that first.",
            )


async def delete(tx: Tx, caller: Caller, id: str) -> None:
    transfer = await visible(tx, caller, id)
    if not (caller.owns(transfer.project_id) or caller.is_operator):
        raise _absent(id)
    await tx.delete(TRANSFERS, transfer)
    volume = await tx.need(VOLUMES, transfer.volume_id, "volume")
    if volume.status == "awaiting-transfer":
        await attachments.settle(tx, volume, ended=True)


async def accept(tx: Tx, secrets: Secrets, caller: Caller, id: str, key: str) -> Transfer:
    """What the volume took of one project's quota it takes of the other's."""
    if caller.project_id is None:
        raise Forbidden("scope.project_needed", "A volume belongs to a project: use a token scoped to one.")
    transfer = await _find(tx, id)
    if not hmac.compare_digest(_hash(key), transfer.key_hash):
        raise Invalid("transfer.key", f"Invalid auth key: Attempt to transfer {transfer.id} with invalid auth key.")
    volume = await tx.need(VOLUMES, transfer.volume_id, "volume")
    need_status(volume, ("awaiting-transfer",), "be accepted")
    type = await tx.get(types.TYPES, volume.type_id) if volume.type_id is not None else None
    if type is not None and not await types.usable(tx, caller, type):
        raise Invalid("volume_type.not_yours", "The volume's type is not offered to this project.")
    await limits.check_size(tx, caller.project_id, volume.size_gib)
    await tx.delete(TRANSFERS, transfer)
    await _move(tx, secrets, volume, caller, caller.project_id)
    return transfer


async def _move(tx: Tx, secrets: Secrets, volume: Volume, caller: Caller, project_id: str) -> None:
    amounts = limits.of_volume(volume.type_id, volume.size_gib)
    for snapshot in await snapshots.of_volume(tx, volume.id):
        await tx.update(SNAPSHOTS, snapshot, project_id=project_id, user_id=caller.user_id, updated_at=tx.clock.now())
        for name, amount in limits.of_snapshot(volume.type_id, snapshot.size_gib).items():
            amounts[name] = amounts.get(name, 0) + amount
    before = volume.project_id
    changes = {"project_id": project_id, "user_id": caller.user_id}
    key_id = await encryption.key_for(tx, secrets, volume, project_id, caller.user_id)
    await attachments.settle(tx, volume, ended=True, encryption_key_id=key_id, **changes)
    await encryption.drop_key(tx, volume)
    limits.move(tx, before, project_id, amounts)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
