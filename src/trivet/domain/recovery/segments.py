"""Segments: hosts that stand in for each other, and how. For operators, as Masakari has them."""

from typing import Any, Literal

from trivet.domain.recovery import notifications
from trivet.errors import Conflict, NotFound
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

RecoveryMethod = Literal["auto", "reserved_host", "auto_priority", "rh_priority"]


class Segment(Record, frozen=True, kw_only=True):
    number: int
    name: str
    description: str | None = None
    service_type: str
    recovery_method: RecoveryMethod
    enabled: bool = True
    created_at: float
    updated_at: float | None = None


HA_SEGMENTS = Table("ha_segments", Segment)


async def create(tx: Tx, **said: object) -> Segment:
    await _need_free(tx, str(said["name"]))
    number = await notifications.next_number(tx, "ha_segments")
    return await tx.insert(
        HA_SEGMENTS,
        Segment(id=tx.ids.uuid(), number=number, created_at=tx.clock.now(), **said),  # type: ignore[arg-type]
    )


async def needed(tx: Tx, id: str) -> Segment:
    found = await tx.get(HA_SEGMENTS, id) if is_uuid(id) else None
    if found is None:
        raise NotFound("segment.absent", f"No failover segment with id {id[:64]}.")
    return found


async def change(tx: Tx, segment: Segment, **said: Any) -> Segment:
    await need_idle(tx, segment, "updated")
    if "name" in said and said["name"] != segment.name:
        await _need_free(tx, str(said["name"]))
    return await tx.update(HA_SEGMENTS, segment, **said, updated_at=tx.clock.now())


async def delete(tx: Tx, segment: Segment) -> None:
    """With the hosts in it, which are only told of here."""
    await need_idle(tx, segment, "deleted")
    await tx.run("UPDATE ha_segments SET revision = revision WHERE id = ?", segment.id)
    await tx.run("DELETE FROM ha_hosts WHERE segment_id = ?", segment.id)
    await tx.delete(HA_SEGMENTS, segment)


async def need_idle(tx: Tx, segment: Segment, what: str) -> None:
    if await notifications.any_open(tx, Where().add("segment_id = ?", segment.id)):
        raise Conflict(
            "segment.in_use",
            f"Failover segment {segment.id} can't be {what} as it is in-use to process notifications.",
        )


async def _need_free(tx: Tx, name: str) -> None:
    if await tx.row("SELECT 1 FROM ha_segments WHERE name = ?", name) is not None:
        raise Conflict("segment.exists", f"Failover segment with name {name} already exists.")


async def page(tx: Tx, where: Where, asked: Asked) -> list[Segment]:
    return await lists.page(tx, HA_SEGMENTS, where, asked, seen=Where())
