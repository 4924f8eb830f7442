"""Notifications: what was said about a failure, by a monitor outside or by the cloud itself, and what came of it."""

from typing import Any, Literal

from trivet.errors import Conflict, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Type = Literal["COMPUTE_HOST", "VM", "PROCESS"]
Status = Literal["new", "running", "error", "failed", "ignored", "finished"]
_SAME_WITHIN_S = 180.0
"""The same thing said again so soon is the same notification."""
KEPT = 5000


class Notification(Record, frozen=True, kw_only=True):
    number: int
    ha_host_id: str
    type: Type
    payload: dict[str, Any]
    status: Status = "new"
    message: str | None = None
    """What came of it, for people."""
    generated_at: float
    created_at: float
    updated_at: float | None = None


HA_NOTIFICATIONS = Table("ha_notifications", Notification)


async def next_number(tx: Tx, table: str) -> int:
    """Two at once get the same one, and the later of them runs again."""
    row = await tx.row(f"SELECT COALESCE(MAX(number), 0) + 1 FROM {table}")
    assert row is not None
    return int(row[0])


async def create(
    tx: Tx, name: str, type: Type, payload: dict[str, Any], generated_at: float, *, status: Status = "new"
) -> Notification:
    row = await tx.row("SELECT id, on_maintenance FROM ha_hosts WHERE name = ?", name)
    if row is None:
        raise Invalid("notification.no_host", f"Host with name {name[:255]} could not be found.")
    ha_host_id, on_maintenance = str(row[0]), bool(row[1])
    if on_maintenance:
        raise Conflict("notification.maintenance", f"Host {name} under maintenance; this notification is not taken up.")
    since = tx.clock.now() - _SAME_WITHIN_S
    where = Where().equal("ha_host_id", ha_host_id).equal("type", type).add("created_at >= ?", since)
    for known in await tx.select(HA_NOTIFICATIONS, where):
        if known.payload == payload and known.status != "ignored":
            raise Conflict("notification.known", f"Notification received from host {name} of type {type} is duplicate.")
    new = Notification(
        id=tx.ids.uuid(),
        number=await next_number(tx, "ha_notifications"),
        ha_host_id=ha_host_id,
        type=type,
        payload=payload,
        status=status,
        generated_at=generated_at,
        created_at=tx.clock.now(),
    )
    await tx.run("DELETE FROM ha_notifications WHERE number <= ? AND status NOT IN ('new', 'running')",
                 new.number - KEPT)  # fmt: skip
    return await tx.insert(HA_NOTIFICATIONS, new)


async def needed(tx: Tx, id: str) -> Notification:
    found = await tx.get(HA_NOTIFICATIONS, id) if is_uuid(id) else None
    if found is None:
        raise NotFound("notification.absent", f"No notification with id {id[:64]}.")
    return found


async def turn(tx: Tx, notification: Notification, status: Status, message: str | None = None) -> Notification:
    return await tx.update(HA_NOTIFICATIONS, notification, status=status, message=message, updated_at=tx.clock.now())


async def waiting(tx: Tx) -> list[Notification]:
    return await tx.select(HA_NOTIFICATIONS, Where().equal("status", "new"), order="created_at, id", limit=100)


async def running_of(tx: Tx, name: str) -> Notification | None:
    """Of the host of that name, about itself."""
    return await tx.find(
        HA_NOTIFICATIONS,
        "type = 'COMPUTE_HOST' AND status IN ('new', 'running') AND ha_host_id = (SELECT id FROM ha_hosts"
        " WHERE name = ?)",
        name,
    )


async def any_open(tx: Tx, of_hosts: Where) -> bool:
    where = of_hosts.copy().add("n.status IN ('new', 'running')")
    sql = f"SELECT 1 FROM ha_notifications n JOIN ha_hosts h ON h.id = n.ha_host_id{where.sql} LIMIT 1"
    return await tx.row(sql, *where.values) is not None


async def page(tx: Tx, where: Where, asked: Asked) -> list[Notification]:
    return await lists.page(tx, HA_NOTIFICATIONS, where, asked, seen=Where())


async def host_name(tx: Tx, notification: Notification) -> str | None:
    row = await tx.row("SELECT name FROM ha_hosts WHERE id = ?", notification.ha_host_id)
    return str(row[0]) if row is not None else None
