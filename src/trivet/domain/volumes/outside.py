"""Attachments of others: whoever uses a volume without our compute service, and says so step by step.

What a server of ours has is compute's to take away: if it went behind the server's back, the server would go on using
a device that may be somebody else's by then.
"""

from typing import Any, Literal

from trivet.domain.callers import Caller
from trivet.domain.volumes import attachments
from trivet.domain.volumes.attachments import ATTACHMENTS, Attachment
from trivet.domain.volumes.volumes import VOLUMES, Status, Volume, changeable, need_status
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tx import Tx

Mode = Literal["rw", "ro"]


async def create(
    tx: Tx,
    caller: Caller,
    volume_id: str,
    *,
    instance_id: str | None,
    connector: dict[str, Any] | None,
    mode: Mode | None,
    device: str | None = None,
    done: bool = False,
) -> Attachment:
    """Without a connector it is only reserved; `done`: it is attached already."""
    volume = await changeable(tx, caller, volume_id)
    if volume.status == "creating":
        raise Invalid(
            "volume.status",
            f"Invalid volume: volume {volume.id} is still being made; wait until it is available.",
        )
    now = tx.clock.now()
    held = connector or {}
    attachment = Attachment(
        id=tx.ids.uuid(),
        project_id=volume.project_id,
        volume_id=volume.id,
        instance_id=instance_id,
        status="attached" if done else "attaching" if connector is not None else "reserved",
        mode=mode or ("ro" if volume.read_only else "rw"),
        device=device or held.get("mountpoint"),
        connector=connector,
        created_at=now,
        updated_at=now,
        attached_at=now if done else None,
    )
    if volume.status == "attaching" and not await _used(tx, volume):
        # It was reserved by os-reserve, for just this.
        volume = await tx.update(VOLUMES, volume, status="available")
    return await attachments.add(tx, volume, attachment)


async def _used(tx: Tx, volume: Volume) -> bool:
    return any(one.status != "gone" for one in await attachments.of_volume(tx, volume.id))


async def connect(tx: Tx, caller: Caller, id: str, connector: dict[str, Any]) -> Attachment:
    attachment = await owned(tx, caller, id)
    if attachment.status not in ("reserved", "attaching"):
        raise Invalid(
            "attachment.status",
            f"Attachment {id} is {attachment.status}; only a reserved one can be connected.",
        )
    return await attachments.change(
        tx, attachment, "attaching", connector=connector, device=connector.get("mountpoint") or attachment.device
    )


async def complete(tx: Tx, caller: Caller, id: str) -> Attachment:
    attachment = await owned(tx, caller, id)
    if attachment.status not in ("attaching", "attached"):
        raise Invalid(
            "attachment.status",
            f"Invalid volume: attachment {id} must be attaching, but is {attachment.status}.",
        )
    return await attachments.change(tx, attachment, "attached", attached_at=tx.clock.now())


async def delete(tx: Tx, caller: Caller, id: str) -> None:
    await attachments.change(tx, await owned(tx, caller, id), "gone")


async def force(tx: Tx, attachment: Attachment) -> None:
    """Whatever the volume is said to be in: it is available when nobody uses it any more."""
    volume = await tx.need(VOLUMES, attachment.volume_id, "volume")
    await tx.update(ATTACHMENTS, attachment, status="gone", updated_at=tx.clock.now())
    if not volume.working:
        await tx.update(VOLUMES, volume, status="detaching", task=None, updated_at=tx.clock.now())


async def owned(tx: Tx, caller: Caller, id: str) -> Attachment:
    found = await attachments.visible(tx, caller, id)
    if not (caller.owns(found.project_id) or caller.is_operator):
        raise NotFound(
            "attachment.absent",
            f"Volume attachment could not be found with filter: attachment_id = {id[:64]}.",
        )
    if found.server_id is not None:
        raise Conflict(
            "attachment.of_server",
            f"Detach volume from instance {found.server_id} using the Compute API.",
        )
    return found


async def of_volume(tx: Tx, caller: Caller, volume_id: str, attachment_id: str | None) -> Attachment:
    """The one that is meant, where old clients name only the volume."""
    volume = await changeable(tx, caller, volume_id)
    found = [one for one in await attachments.of_volume(tx, volume.id) if one.status != "gone"]
    if attachment_id is not None:
        found = [one for one in found if one.id == attachment_id]
    if len(found) > 1:
        raise Invalid(
            "attachment.ambiguous",
            "Detach volume failed: More than one attachment, but no attachment_id provided.",
        )
    if not found:
        raise Invalid("attachment.absent", f"Invalid volume: volume {volume.id} has no such attachment.")
    return await owned(tx, caller, found[0].id)


async def detach(tx: Tx, caller: Caller, volume_id: str, attachment_id: str | None) -> None:
    """As old clients say it. A volume that nobody has, has been detached."""
    volume = await changeable(tx, caller, volume_id)
    held = [one for one in await attachments.of_volume(tx, volume.id) if one.status != "gone"]
    if attachment_id is None and not held:
        if volume.status in ("in-use", "detaching"):
            await attachments.settle(tx, volume, ended=True)
        return
    await delete(tx, caller, (await of_volume(tx, caller, volume_id, attachment_id)).id)


# -- what old clients say before and after


async def reserve(tx: Tx, caller: Caller, volume_id: str) -> None:
    volume = await changeable(tx, caller, volume_id)
    need_status(volume, ("available", "in-use") if volume.multiattach else ("available",), "reserve")
    await _say(tx, volume, "attaching" if volume.status == "available" else volume.status)


async def unreserve(tx: Tx, caller: Caller, volume_id: str) -> None:
    volume = await changeable(tx, caller, volume_id)
    need_status(volume, ("attaching",), "unreserve")
    await attachments.settle(tx, volume, ended=True)


async def begin_detaching(tx: Tx, caller: Caller, volume_id: str) -> None:
    volume = await changeable(tx, caller, volume_id)
    need_status(volume, ("in-use",), "detach")
    await _say(tx, volume, "detaching")


async def roll_detaching(tx: Tx, caller: Caller, volume_id: str) -> None:
    volume = await changeable(tx, caller, volume_id)
    need_status(volume, ("detaching",), "go back to in-use")
    await attachments.settle(tx, volume, ended=True)


async def _say(tx: Tx, volume: Volume, status: Status) -> None:
    await tx.update(VOLUMES, volume, status=status, updated_at=tx.clock.now())
