"""Members of segments: what is said of a host as one of those that stand in for each other."""

from typing import Any

from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.recovery import notifications
from trivet.domain.recovery.segments import HA_SEGMENTS, Segment
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Member(Record, frozen=True, kw_only=True):
    number: int
    segment_id: str
    name: str
    """Of the host."""
    type: str
    control_attributes: str
    reserved: bool = False
    """It is kept free to take in what another one had."""
    on_maintenance: bool = False
    """Nothing that is seen of it means anything."""
    created_at: float
    updated_at: float | None = None


HA_HOSTS = Table("ha_hosts", Member)


async def create(tx: Tx, segment: Segment, **said: object) -> Member:
    name = str(said["name"])
    await _need_host(tx, name)
    await _need_free(tx, name)
    await hold(tx, HA_SEGMENTS, segment.id)
    number = await notifications.next_number(tx, "ha_hosts")
    new = Member(id=tx.ids.uuid(), number=number, segment_id=segment.id, created_at=tx.clock.now(), **said)  # type: ignore[arg-type]
    return await tx.insert(HA_HOSTS, new)


async def needed(tx: Tx, segment: Segment, id: str) -> Member:
    found = await tx.get(HA_HOSTS, id) if is_uuid(id) else None
    if found is None or found.segment_id != segment.id:
        raise NotFound("ha_host.absent", f"Host '{id[:64]}' under failover_segment '{segment.id}' could not be found.")
    return found


async def change(tx: Tx, member: Member, **said: Any) -> Member:
    await _need_idle(tx, member, "updated")
    if "name" in said and said["name"] != member.name:
        await _need_host(tx, str(said["name"]))
        await _need_free(tx, str(said["name"]))
    return await tx.update(HA_HOSTS, member, **said, updated_at=tx.clock.now())


async def delete(tx: Tx, member: Member) -> None:
    await _need_idle(tx, member, "deleted")
    await tx.delete(HA_HOSTS, member)


async def of_name(tx: Tx, name: str) -> Member | None:
    return await tx.find(HA_HOSTS, "name = ?", name)


async def reserved_of(tx: Tx, segment_id: str) -> list[Member]:
    """Spare hosts of a segment that nothing came to yet."""
    where = Where().equal("segment_id", segment_id).add("reserved = 1 AND on_maintenance = 0")
    return await tx.select(HA_HOSTS, where, order="created_at, id")


async def used_up(tx: Tx, member: Member) -> None:
    """A spare host has taken in what another one had, and is one like the others now."""
    await tx.update(HA_HOSTS, member, reserved=False, updated_at=tx.clock.now())


async def page(tx: Tx, where: Where, asked: Asked, *, seen: Where) -> list[Member]:
    return await lists.page(tx, HA_HOSTS, where, asked, seen=seen)


async def _need_host(tx: Tx, name: str) -> None:
    if await tx.find(HOSTS, "name = ?", name) is None:
        raise Invalid("ha_host.no_host", f"Compute service {name[:255]} could not be found.")


async def _need_free(tx: Tx, name: str) -> None:
    if await of_name(tx, name) is not None:
        raise Conflict("ha_host.exists", f"Host with name {name} already exists.")


async def _need_idle(tx: Tx, member: Member, what: str) -> None:
    if await notifications.any_open(tx, Where().add("h.id = ?", member.id)):
        raise Conflict("ha_host.in_use", f"Host {member.id} can't be {what} as it is in-use to process notifications.")
