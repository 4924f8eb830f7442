"""Messages: what went wrong with a tenant's volumes after the call was answered. They go away by themselves."""

from typing import Literal

from trivet.domain.callers import Caller
from trivet.domain.volumes.volumes import Volume
from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

KEEP_S = 30 * 24 * 3600.0
_FORGOTTEN = 500
_MOST = 1_000
"""Of one project: whoever asks for what fails, again and again, loses the oldest."""
Resource = Literal["VOLUME", "VOLUME_SNAPSHOT", "VOLUME_BACKUP", "VOLUME_GROUP"]

UNKNOWN, NO_BACKEND, ATTACH, EXTEND, COPY_IN, COPY_OUT, REVERT, SNAPSHOT, SIGNATURE = (
    "VOLUME_VOLUME_001_001", "VOLUME_VOLUME_001_002", "VOLUME_VOLUME_004_001", "VOLUME_VOLUME_014_001",
    "VOLUME_VOLUME_005_001", "VOLUME_VOLUME_006_001", "VOLUME_VOLUME_015_001", "VOLUME_VOLUME_SNAPSHOT_008_001",
    "VOLUME_VOLUME_005_011",
)  # fmt: skip
"""What was being done, as clients of the messages API know it by number."""


class Message(Record, frozen=True, kw_only=True):
    project_id: str
    request_id: str
    resource_type: str
    resource_id: str
    event_id: str
    text: str
    created_at: float
    ends_at: float


MESSAGES = Table("volume_messages", Message, logged=False)


async def leave(tx: Tx, volume: Volume, event_id: str, text: str, request_id: str = "") -> None:
    await leave_about(tx, "VOLUME", volume.id, volume.project_id, event_id=event_id, text=text, request_id=request_id)


async def leave_about(
    tx: Tx, kind: Resource, id: str, project_id: str, *, event_id: str, text: str, request_id: str = ""
) -> None:
    now = tx.clock.now()
    message = Message(
        id=tx.ids.uuid(),
        project_id=project_id,
        request_id=request_id,
        resource_type=kind,
        resource_id=id,
        event_id=event_id,
        text=text,
        created_at=now,
        ends_at=now + KEEP_S,
    )
    await tx.insert(MESSAGES, message)
    old = "SELECT id FROM volume_messages WHERE project_id = ? ORDER BY created_at DESC, id LIMIT ? OFFSET ?"
    await tx.run(f"DELETE FROM volume_messages WHERE id IN ({old})", project_id, _FORGOTTEN, _MOST)


async def visible(tx: Tx, caller: Caller, id: str) -> Message:
    found = await tx.get(MESSAGES, id)
    if found is None or not caller.may_see(found.project_id):
        raise NotFound("message.absent", f"Message {id[:64]} could not be found.")
    return found


async def dismiss(tx: Tx, caller: Caller, id: str) -> None:
    await tx.delete(MESSAGES, await visible(tx, caller, id))


async def forget_old(tx: Tx) -> None:
    await tx.run(
        "DELETE FROM volume_messages WHERE id IN"
        f" (SELECT id FROM volume_messages WHERE ends_at < ? ORDER BY ends_at LIMIT {_FORGOTTEN})",
        tx.clock.now(),
    )
