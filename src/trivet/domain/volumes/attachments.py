"""Attachments: who uses a volume, from the wish to the last byte.

    reserved    held for somebody who has not said yet how to reach him
    attaching   the back end lets him in (`connection` says how), then the machine takes it
    attached    the machine has it
    detaching   the machine is to let it go
    gone        nobody uses it any more; the back end shuts the door, and the row goes

The volume's status follows from its attachments, unless something else is going on with it.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from trivet.domain.callers import Caller
from trivet.domain.volumes import messages
from trivet.domain.volumes.volumes import VOLUMES, Status, Volume
from trivet.drivers.contracts.volume import Connection
from trivet.errors import Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

ATTACH_S, DETACH_S = 300.0, 120.0
MOST = 64
"""Of one volume."""
_FOLLOWING = frozenset(("available", "reserved", "attaching", "detaching", "in-use"))
State = Literal["reserved", "attaching", "attached", "detaching", "gone"]


class Attachment(Record, frozen=True, kw_only=True):
    project_id: str
    volume_id: str
    server_id: str | None = None
    """A server of ours, whose agent plugs it. Only compute says so: what a caller of the volume service names, which
    may be anybody's, is `instance_id`, and nobody acts on it."""
    instance_id: str | None = None
    status: State = "attaching"
    mode: Literal["rw", "ro"] = "rw"
    device: str | None = None
    connector: dict[str, Any] | None = None
    connection: Connection | None = None
    boots: bool = False
    position: int = 0
    delete_on_termination: bool = False
    tag: str | None = None
    undone: bool = False
    """It is being detached because it could not be attached."""
    created_at: float
    updated_at: float
    attached_at: float | None = None
    deadline_at: float | None = None


ATTACHMENTS = Table("volume_attachments", Attachment)


async def of_volume(tx: Tx, volume_id: str) -> list[Attachment]:
    return await tx.select(ATTACHMENTS, Where().equal("volume_id", volume_id), order="created_at, id")


async def of_volumes(tx: Tx, ids: Collection[str]) -> dict[str, list[Attachment]]:
    found: dict[str, list[Attachment]] = {}
    if ids:
        where = Where().any_of("volume_id", ids).add("status <> 'gone'")
        for attachment in await tx.select(ATTACHMENTS, where, order="created_at, id"):
            found.setdefault(attachment.volume_id, []).append(attachment)
    return found


async def of_servers(tx: Tx, ids: Collection[str]) -> dict[str, list[Attachment]]:
    """What a server has, or is about to have or to lose; in the order of its disks."""
    found: dict[str, list[Attachment]] = {}
    if ids:
        where = Where().any_of("server_id", ids).add("status <> 'gone'")
        for attachment in await tx.select(ATTACHMENTS, where, order="position, id"):
            if attachment.server_id is not None:
                found.setdefault(attachment.server_id, []).append(attachment)
    return found


async def hosts_of(tx: Tx, server_id: str) -> frozenset[str] | None:
    """The hosts that reach all the volumes of a server; None: every host does."""
    rows = await tx.rows(
        "SELECT DISTINCT b.host_id FROM volume_attachments a JOIN volumes v ON v.id = a.volume_id"
        " JOIN volume_backends b ON b.id = v.backend_id WHERE a.server_id = ? AND b.host_id IS NOT NULL",
        server_id,
    )
    if not rows:
        return None
    return frozenset((str(rows[0][0]),)) if len(rows) == 1 else frozenset()


async def visible(tx: Tx, caller: Caller, id: str) -> Attachment:
    found = await tx.get(ATTACHMENTS, id) if is_uuid(id) else None
    if found is None or found.status == "gone" or not caller.may_see(found.project_id):
        raise NotFound(
            "attachment.absent", f"Volume attachment could not be found with filter: attachment_id = {id[:64]}."
        )
    return found


async def add(tx: Tx, volume: Volume, wanted: Attachment) -> Attachment:
    """If it may be. `wanted` says who and how."""
    there = [attachment for attachment in await of_volume(tx, volume.id) if attachment.status != "gone"]
    if volume.status not in ("available", "creating") and not (volume.multiattach and volume.status in _FOLLOWING):
        raise Invalid(
            "volume.status",
            f"Invalid volume: volume {volume.id} status must be available or downloading to reserve, but the current "
            f"status is {volume.status}.",
        )
    if there and not volume.multiattach:
        raise Invalid("volume.in_use", f"Invalid volume: volume {volume.id} is already attached to an instance.")
    if wanted.server_id is not None and any(other.server_id == wanted.server_id for other in there):
        raise Invalid(
            "volume.attached_there", f"Volume {volume.id} is already attached to instance {wanted.server_id}."
        )
    if len(there) >= MOST:
        raise Invalid("volume.attached_often", f"Invalid volume: volume {volume.id} has {MOST} attachments at most.")
    if volume.read_only and wanted.mode == "rw":
        raise Invalid("volume.read_only", f"Invalid volume: volume {volume.id} is read-only; attach it with mode ro.")
    attachment = await tx.insert(ATTACHMENTS, wanted)
    await settle(tx, volume)
    return attachment


async def settle(tx: Tx, volume: Volume, *, ended: bool = False, **changes: Any) -> Volume:
    """The status that follows from who uses it; with `ended`, whatever else was going on has come to its end."""
    now = tx.clock.now()
    if ended:
        changes |= {"task": None, "previous_status": None}
    if not ended and volume.status not in _FOLLOWING:
        return await tx.update(VOLUMES, volume, updated_at=now, **changes) if changes else volume
    status = _status_for(await of_volume(tx, volume.id))
    if status == volume.status and not changes:
        # Whoever comes at the same time sees another revision, and looks again.
        return await tx.update(VOLUMES, volume, updated_at=now)
    return await tx.update(VOLUMES, volume, status=status, updated_at=now, **changes)


def _status_for(found: Collection[Attachment]) -> Status:
    states = {attachment.status for attachment in found}
    if states & {"attached"}:
        return "in-use"
    if "attaching" in states:
        return "attaching"
    if states & {"detaching", "gone"}:
        return "detaching"
    return "reserved" if "reserved" in states else "available"


async def change(tx: Tx, attachment: Attachment, status: State, **changes: Any) -> Attachment:
    """And what follows for its volume."""
    changed = await tx.update(ATTACHMENTS, attachment, status=status, updated_at=tx.clock.now(), **changes)
    await settle_all(tx, (changed.volume_id,))
    return changed


async def open_again(tx: Tx, attachment: Attachment, deadline_s: float) -> Attachment:
    """Its server has lost it for a while: it is let in anew, once nothing else goes on with the volume."""
    deadline = tx.clock.now() + deadline_s
    return await change(tx, attachment, "attaching", connection=None, attached_at=None, deadline_at=deadline)


async def delete_with_server(tx: Tx, attachment: Attachment, wanted: bool) -> Attachment:
    """Whether the volume goes when its server does."""
    return await tx.update(ATTACHMENTS, attachment, delete_on_termination=wanted, updated_at=tx.clock.now())


async def settle_all(tx: Tx, volume_ids: Collection[str]) -> list[Volume]:
    """When all attachments are written; in the order of ids, in which everybody takes them."""
    found = []
    for id in sorted(set(volume_ids)):
        volume = await tx.get(VOLUMES, id)
        assert volume is not None
        found.append(await settle(tx, volume))
    return found


async def let_go(tx: Tx, attachment: Attachment, *, undone: bool = False) -> Attachment:
    """Its server is to lose it. What nobody ever got is gone at once."""
    if attachment.server_id is None or (
        attachment.connection is None and attachment.status in ("reserved", "attaching")
    ):
        return await change(tx, attachment, "gone", deadline_at=None)
    deadline = tx.clock.now() + DETACH_S
    changed = await change(tx, attachment, "detaching", undone=undone or attachment.undone, deadline_at=deadline)
    await tell_server(tx, attachment.server_id)
    return changed


async def seen(tx: Tx, server_id: str, plugged: Collection[str], faults: Mapping[str, str]) -> None:
    """What the host says that the server's machine has."""
    touched = []
    for attachment in (await of_servers(tx, (server_id,))).get(server_id, []):
        here = attachment.id in plugged
        changes: dict[str, Any] | None = None
        if attachment.status == "attaching" and here:
            changes = {"status": "attached", "attached_at": tx.clock.now()}
        elif attachment.status == "attaching" and attachment.id in faults:
            await _failed(tx, attachment, faults[attachment.id])
            changes = {"status": "gone"}
        elif attachment.status == "detaching" and not here:
            changes = {"status": "gone"}
        if changes is not None:
            await tx.update(ATTACHMENTS, attachment, deadline_at=None, updated_at=tx.clock.now(), **changes)
            touched.append(attachment.volume_id)
    await settle_all(tx, touched)


async def give_up(tx: Tx, attachment: Attachment) -> None:
    """It took too long: what could not be attached is let go, what the guest does not let go it keeps."""
    if attachment.status == "attaching":
        await _failed(tx, attachment, "The server's host did not take it in time.")
        await let_go(tx, attachment, undone=True)
    elif attachment.undone:
        await change(tx, attachment, "gone", deadline_at=None)
    else:
        await _failed(tx, attachment, "The guest did not let go of it; stop using it, or stop the server.")
        await change(tx, attachment, "attached", deadline_at=None)
        if attachment.server_id is not None:
            await tell_server(tx, attachment.server_id)


async def _failed(tx: Tx, attachment: Attachment, why: str) -> None:
    volume = await tx.get(VOLUMES, attachment.volume_id)
    if volume is not None:
        await messages.leave(tx, volume, messages.ATTACH, why)


async def tell_server(tx: Tx, server_id: str) -> None:
    """Its order has changed, though its own row has not."""
    row = await tx.row("SELECT project_id, host_id FROM servers WHERE id = ? AND deleted_at IS NULL", server_id)
    if row is not None:
        tx.note(Change(noun="servers", id=server_id, verb="updated", revision=0, project_id=row[0], host_id=row[1]))


async def drop(tx: Tx, attachment: Attachment) -> None:
    """The back end has shut the door."""
    await tx.delete(ATTACHMENTS, attachment)
    await settle_all(tx, (attachment.volume_id,))
