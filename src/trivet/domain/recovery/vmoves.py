"""VM moves: which servers were brought back for a failure, from where to where, and how each move ended."""

from typing import Literal, NamedTuple

from trivet.domain.recovery.notifications import Notification, next_number
from trivet.domain.servers.servers import Server
from trivet.errors import Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Outcome(NamedTuple):
    """What became of one server."""

    moved_to: str | None
    why: str
    ignored: bool = False
    """It was its owner's wish."""


Status = Literal["pending", "ongoing", "ignored", "failed", "succeeded"]


class VMove(Record, frozen=True, kw_only=True):
    number: int
    notification_id: str
    server_id: str
    server_name: str
    source_host: str
    dest_host: str | None = None
    type: str = "evacuation"
    status: Status = "pending"
    message: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    created_at: float


HA_VMOVES = Table("ha_vmoves", VMove)


async def note(tx: Tx, notification_id: str, server: Server, source: str, outcome: Outcome) -> None:
    """What was decided about one server; a move goes on until it has arrived."""
    now = tx.clock.now()
    ended = outcome.moved_to is None
    new = VMove(
        id=tx.ids.uuid(),
        number=await next_number(tx, "ha_vmoves"),
        notification_id=notification_id,
        server_id=server.id,
        server_name=server.name,
        source_host=source,
        dest_host=outcome.moved_to,
        status="ongoing" if not ended else "ignored" if outcome.ignored else "failed",
        message=outcome.why or None,
        start_time=now,
        end_time=now if ended else None,
        created_at=now,
    )
    await tx.insert_new(HA_VMOVES, new)


async def turn(tx: Tx, move: VMove, status: Status, *, dest: str | None = None, message: str | None = None) -> None:
    now = tx.clock.now()
    ended = status in ("ignored", "failed", "succeeded")
    await tx.update(
        HA_VMOVES,
        move,
        status=status,
        dest_host=dest or move.dest_host,
        message=message or move.message,
        start_time=move.start_time if move.start_time is not None else now,
        end_time=now if ended else None,
    )


async def of(tx: Tx, notification_id: str) -> list[VMove]:
    return await tx.select(HA_VMOVES, Where().equal("notification_id", notification_id), order="number")


async def needed(tx: Tx, notification: Notification, id: str) -> VMove:
    _need_host_failure(notification)
    found = await tx.get(HA_VMOVES, id) if is_uuid(id) else None
    if found is None or found.notification_id != notification.id:
        raise NotFound("vmove.absent", f"No vm move with id {id[:64]}.")
    return found


async def page(tx: Tx, notification: Notification, where: Where, asked: Asked) -> list[VMove]:
    _need_host_failure(notification)
    mine = Where().equal("notification_id", notification.id)
    where.equal("notification_id", notification.id)
    return await lists.page(tx, HA_VMOVES, where, asked, seen=mine)


def _need_host_failure(notification: Notification) -> None:
    if notification.type != "COMPUTE_HOST":
        raise Invalid("notification.no_vmoves", f"This notification {notification.id} without vmoves.")
