"""Subscriptions: where a project, or the operator, wants to be told of alarms, and of which."""

from typing import Literal

import msgspec

from trivet.domain.alarms.words import EventType, ObjectType, Severity
from trivet.domain.callers import Caller
from trivet.domain.secrets import Secrets
from trivet.errors import NotFound, OverQuota
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

MOST = 20
"""Of one project."""
OLDEST = (("created_at", False), ("id", False))

Style = Literal["cloudevents", "sol003"]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What is said narrows; nothing said is everything that its owner may see."""

    severities: tuple[Severity, ...] = ()
    event_types: tuple[EventType, ...] = ()
    object_types: tuple[ObjectType, ...] = ()
    object_ids: tuple[str, ...] = ()


class Subscription(Record, frozen=True, kw_only=True):
    project_id: str | None
    """None: the operator's, who hears of everything."""
    user_id: str
    style: Style
    url: str
    sealed_secret: str
    """What what is sent there is signed with."""
    filter: Filter
    failures: int = 0
    """In a row."""
    last_error: str | None = None
    created_at: float


ALARM_SUBSCRIPTIONS = Table("alarm_subscriptions", Subscription)


class SubscriptionWish(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    secret: str
    style: Style = "cloudevents"
    filter: Filter = Filter()
    all_projects: bool = False


async def create(tx: Tx, caller: Caller, secrets: Secrets, wanted: SubscriptionWish) -> Subscription:
    project_id = None if wanted.all_projects else caller.project_id
    mine = Where().equal("project_id", project_id)
    row = await tx.row(f"SELECT COUNT(*) FROM alarm_subscriptions{mine.sql}", *mine.values)
    assert row is not None
    if int(row[0]) >= MOST:
        raise OverQuota("alarm_subscription.most", f"A project has {MOST} subscriptions to alarms at most.")
    new = Subscription(
        id=tx.ids.uuid(),
        project_id=project_id,
        user_id=caller.user_id,
        style=wanted.style,
        url=wanted.url,
        sealed_secret=secrets.seal(wanted.secret),
        filter=wanted.filter,
        created_at=tx.clock.now(),
    )
    return await tx.insert(ALARM_SUBSCRIPTIONS, new)


async def visible(tx: Tx, caller: Caller, id: str) -> Subscription:
    found = await tx.get(ALARM_SUBSCRIPTIONS, id) if is_uuid(id) else None
    mine = found is not None and found.project_id is not None and caller.may_see(found.project_id)
    if found is None or not (mine or sees_all(caller)):
        raise NotFound("alarm_subscription.absent", f"Subscription {id[:64]} could not be found.")
    return found


async def changeable(tx: Tx, caller: Caller, id: str) -> Subscription:
    found = await visible(tx, caller, id)
    if not caller.is_operator and not (found.project_id is not None and caller.owns(found.project_id)):
        raise NotFound("alarm_subscription.absent", f"Subscription {id[:64]} could not be found.")
    return found


async def delete(tx: Tx, found: Subscription) -> None:
    await tx.run("DELETE FROM alarm_deliveries WHERE subscription_id = ?", found.id)
    await tx.delete(ALARM_SUBSCRIPTIONS, found)


def sees_all(caller: Caller) -> bool:
    """The operator, and who looks at the whole system."""
    return caller.may_see(None)


def seen_by(caller: Caller) -> Where:
    return Where() if sees_all(caller) else Where().add("project_id = ?", caller.project_id or "")


async def page(tx: Tx, where: Where, asked: Asked, *, seen: Where) -> list[Subscription]:
    return await lists.page(tx, ALARM_SUBSCRIPTIONS, where, asked, seen=seen)


async def end_of_project(tx: Tx, project_id: str) -> None:
    """Nobody is told any more, and nobody may look."""
    for found in await tx.select(ALARM_SUBSCRIPTIONS, Where().equal("project_id", project_id), order="id"):
        await delete(tx, found)
