"""Alarms: a fault, from when it was seen to when it was over, in the words of ETSI's fault management for NFV.

An alarm is raised once: while one of the same key is open, raising it again changes what it says and nothing else.
It is cleared once. Both are told in the transaction that knows of them. A tenant sees the alarms of what is his; what
has no project is the operator's, who sees all.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from trivet.clock import iso_micros
from trivet.domain.alarms import deliveries
from trivet.domain.alarms.subscriptions import sees_all
from trivet.domain.alarms.words import Event, EventType, ObjectType, Severity
from trivet.domain.callers import Caller
from trivet.errors import Conflict, NotFound
from trivet.ids import is_uuid
from trivet.store import lists, log
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

KEEP_S = 30 * 24 * 3600.0
"""How long one that is cleared can be looked at."""
DETAIL_MAX = 2000
_EVENTS_AT_ONCE = 500
_TIMES = ("alarm_raised_time", "alarm_changed_time", "alarm_cleared_time")
NEWEST = (("raised_at", True), ("id", True))


class Alarm(Record, frozen=True, kw_only=True):
    project_id: str | None = None
    """Whose the thing is; None: the operator's."""
    open_key: str | None = None
    """What is wrong with what; one such alarm is open at a time. None: it is over."""
    object_type: str
    object_id: str
    object_name: str
    severity: Severity
    event_type: EventType
    probable_cause: str
    detail: str
    root_id: str | None = None
    """The alarm that tells of the cause; None: it is a root cause itself."""
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    raised_at: float
    changed_at: float
    cleared_at: float | None = None


ALARMS = Table("alarms", Alarm)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be raised."""

    key: str
    project_id: str | None = None
    object_type: ObjectType
    object_id: str
    object_name: str = ""
    severity: Severity
    event_type: EventType = "EQUIPMENT_ALARM"
    probable_cause: str
    detail: str = ""
    root_id: str | None = None
    """None: who raises it knows of no cause; one that was found by others stays."""


async def raise_(tx: Tx, fault: Fault) -> Alarm:
    """Again is the same as once, but for what changed about it."""
    known = await tx.find(ALARMS, "open_key = ?", fault.key)
    detail = fault.detail[:DETAIL_MAX]
    now = tx.clock.now()
    if known is not None:
        root_id = fault.root_id or known.root_id
        if (known.severity, known.detail, known.root_id) == (fault.severity, detail, root_id):
            return known
        known = await tx.update(ALARMS, known, severity=fault.severity, detail=detail, root_id=root_id, changed_at=now)
        await _tell(tx, known, "changed")
        return known
    alarm = Alarm(
        id=tx.ids.uuid(),
        project_id=fault.project_id,
        open_key=fault.key,
        object_type=fault.object_type,
        object_id=fault.object_id,
        object_name=fault.object_name,
        severity=fault.severity,
        event_type=fault.event_type,
        probable_cause=fault.probable_cause,
        detail=detail,
        root_id=fault.root_id,
        raised_at=now,
        changed_at=now,
    )
    await tx.insert(ALARMS, alarm)
    await _tell(tx, alarm, "raised")
    return alarm


async def clear(tx: Tx, key: str) -> None:
    """It is over; of what is not open there is nothing to clear."""
    known = await tx.find(ALARMS, "open_key = ?", key)
    if known is not None:
        await _clear(tx, known)


async def lay_to(tx: Tx, alarm: Alarm, root_id: str | None) -> Alarm:
    """Another one is its cause, or none that is known any more."""
    if root_id in (alarm.root_id, alarm.id) or alarm.cleared_at is not None:
        return alarm
    alarm = await tx.update(ALARMS, alarm, root_id=root_id, changed_at=tx.clock.now())
    await _tell(tx, alarm, "changed")
    return alarm


async def open_by_key(tx: Tx, keys: Collection[str]) -> list[Alarm]:
    return await tx.select(ALARMS, Where().any_of("open_key", sorted(keys)), order="id") if keys else []


async def open_children(tx: Tx, root_id: str) -> list[Alarm]:
    return await tx.select(ALARMS, Where().equal("root_id", root_id).add("cleared_at IS NULL"), order="id")


async def clear_by_hand(tx: Tx, alarm: Alarm) -> Alarm:
    """Somebody knows better. What still finds the fault raises it again."""
    if alarm.cleared_at is not None:
        raise Conflict("alarm.cleared", f"Alarm {alarm.id} is cleared already.")
    return await _clear(tx, alarm)


async def _clear(tx: Tx, alarm: Alarm) -> Alarm:
    now = tx.clock.now()
    alarm = await tx.update(ALARMS, alarm, open_key=None, severity="CLEARED", changed_at=now, cleared_at=now)
    await _tell(tx, alarm, "cleared")
    return alarm


async def acknowledge(tx: Tx, caller: Caller, alarm: Alarm, *, yes: bool) -> Alarm:
    """Somebody has seen it, or has not after all."""
    if yes == (alarm.acknowledged_at is not None):
        raise Conflict("alarm.acknowledged", f"Alarm {alarm.id} is {'' if yes else 'not '}acknowledged already.")
    now = tx.clock.now()
    at, by = (now, caller.user_id) if yes else (None, None)
    return await tx.update(ALARMS, alarm, acknowledged_at=at, acknowledged_by=by, changed_at=now)


async def visible(tx: Tx, caller: Caller, id: str) -> Alarm:
    found = await tx.get(ALARMS, id) if is_uuid(id) else None
    if found is None or not _sees(caller, found.project_id):
        raise NotFound("alarm.absent", f"Alarm {id[:64]} could not be found.")
    return found


async def changeable(tx: Tx, caller: Caller, id: str) -> Alarm:
    found = await visible(tx, caller, id)
    if not caller.is_operator and not (found.project_id is not None and caller.owns(found.project_id)):
        raise NotFound("alarm.absent", f"Alarm {id[:64]} could not be found.")
    return found


def seen_by(caller: Caller) -> Where:
    """Which alarms a caller sees."""
    return Where() if sees_all(caller) else Where().add("project_id = ?", caller.project_id or "")


def _sees(caller: Caller, project_id: str | None) -> bool:
    return sees_all(caller) or (project_id is not None and caller.may_see(project_id))


async def page(tx: Tx, where: Where, asked: Asked, *, seen: Where) -> list[Alarm]:
    return await lists.page(tx, ALARMS, where, asked, seen=seen)


async def children(tx: Tx, ids: list[str], seen: Where) -> dict[str, list[str]]:
    """Alarm id -> those that it is the cause of, as far as the caller sees them."""
    found: dict[str, list[str]] = {id: [] for id in ids}
    if ids:
        where = seen.copy().any_of("root_id", ids)
        for root_id, id in await tx.rows(f"SELECT root_id, id FROM alarms{where.sql} ORDER BY id", *where.values):
            found[str(root_id)].append(str(id))
    return found


async def open_of(tx: Tx, object_type: str) -> list[tuple[str, str]]:
    """(key, id of the thing) of what is open about such things."""
    sql = "SELECT open_key, object_id FROM alarms WHERE open_key IS NOT NULL AND object_type = ? ORDER BY id"
    return [(str(row[0]), str(row[1])) for row in await tx.rows(sql, object_type)]


async def newest_event(tx: Tx) -> int:
    return await log.head(tx)


async def since(tx: Tx, caller: Caller, after: int) -> tuple[int, list[tuple[int, Alarm]]]:
    """(up to where that is, alarms that changed since, each as it is now under the event that told of it)"""
    rows = await tx.rows(
        "SELECT seq, noun_id, noun FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, _EVENTS_AT_ONCE
    )
    newest = {str(id): int(seq) for seq, id, noun in rows if noun == ALARMS.name}
    where = seen_by(caller).any_of("id", sorted(newest))
    found = [(newest[alarm.id], alarm) for alarm in await tx.select(ALARMS, where)] if newest else []
    return (int(rows[-1][0]) if rows else after), sorted(found, key=lambda one: one[0])


async def drop_old(tx: Tx, at_once: int) -> bool:
    before = tx.clock.now() - KEEP_S
    old = "SELECT id FROM alarms WHERE cleared_at < ? ORDER BY cleared_at LIMIT ?"
    return await tx.run(f"DELETE FROM alarms WHERE id IN ({old})", before, at_once) == at_once


def shown(alarm: Alarm) -> dict[str, Any]:
    """In our words, as the operator reads them."""
    return {
        "id": alarm.id,
        "project_id": alarm.project_id,
        "managed_object": {"type": alarm.object_type, "id": alarm.object_id, "name": alarm.object_name},
        "perceived_severity": alarm.severity,
        "event_type": alarm.event_type,
        "probable_cause": alarm.probable_cause,
        "fault_details": alarm.detail,
        "is_root_cause": alarm.root_id is None,
        "root_alarm_id": alarm.root_id,
        "ack_state": "ACKNOWLEDGED" if alarm.acknowledged_at is not None else "UNACKNOWLEDGED",
        "alarm_raised_time": alarm.raised_at,
        "alarm_changed_time": alarm.changed_at,
        "alarm_cleared_time": alarm.cleared_at,
    }


def spelled(said: dict[str, Any]) -> dict[str, Any]:
    """What `shown` says, with its times as clients read them, in lists, in streams and in webhooks."""
    return said | {name: iso_micros(said[name], "Z") for name in _TIMES}


async def _tell(tx: Tx, alarm: Alarm, event: Event) -> None:
    body = msgspec.json.encode(shown(alarm)).decode()
    about = deliveries.About(
        alarm_id=alarm.id,
        project_id=alarm.project_id,
        severity=alarm.severity,
        event_type=alarm.event_type,
        object_type=alarm.object_type,
        object_id=alarm.object_id,
    )
    await deliveries.send(tx, about, event, body)
