"""Deliveries: what is on its way to a subscriber. Written with the alarm, gone when it has arrived or is given up.

One subscriber who does not listen costs the others nothing: what waits for him is bounded, and the oldest goes first.
A delivery that was sent and not confirmed is sent again with the same id, by which its receiver knows it.
"""

import msgspec

from trivet.clock import pause_s
from trivet.domain.alarms.subscriptions import ALARM_SUBSCRIPTIONS, Subscription
from trivet.domain.alarms.words import Event, EventType, Severity
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

WAITING_MOST = 500
"""For one subscriber."""
TRIES_MOST = 12
_FIRST_S = 1.0
_MOST_S = 600.0


class Delivery(Record, frozen=True, kw_only=True):
    subscription_id: str
    alarm_id: str
    event: Event
    body: str
    """The alarm as it was then, in JSON."""
    tries: int = 0
    due_at: float
    created_at: float


ALARM_DELIVERIES = Table("alarm_deliveries", Delivery, logged=False)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What of an alarm decides who is told."""

    alarm_id: str
    project_id: str | None
    severity: Severity
    event_type: EventType
    object_type: str
    object_id: str


async def send(tx: Tx, about: About, event: Event, body: str) -> None:
    """To the operator, and to whose it is."""
    where = Where().add("(project_id IS NULL OR project_id = ?)", about.project_id or "")
    now = tx.clock.now()
    for found in await tx.select(ALARM_SUBSCRIPTIONS, where, order="id"):
        if not wants(found, about, event):
            continue
        new = Delivery(
            id=tx.ids.uuid(),
            subscription_id=found.id,
            alarm_id=about.alarm_id,
            event=event,
            body=body,
            due_at=now,
            created_at=now,
        )
        await tx.insert(ALARM_DELIVERIES, new)
        await tx.run(
            "DELETE FROM alarm_deliveries WHERE subscription_id = ? AND id IN (SELECT id FROM alarm_deliveries"
            " WHERE subscription_id = ? ORDER BY created_at DESC, id DESC LIMIT 1000000 OFFSET ?)",
            found.id,
            found.id,
            WAITING_MOST,
        )


def wants(subscription: Subscription, about: About, event: Event) -> bool:
    """Who heard that it was raised hears that it is over, whatever severity he asked for."""
    said = subscription.filter
    return (
        (event == "cleared" or not said.severities or about.severity in said.severities)
        and (not said.event_types or about.event_type in said.event_types)
        and (not said.object_types or about.object_type in said.object_types)
        and (not said.object_ids or about.object_id in said.object_ids)
    )


async def due(tx: Tx, most: int) -> list[tuple[Delivery, Subscription]]:
    """The first one for each subscriber: what he is told comes in order."""
    firsts = (
        "id IN (SELECT d.id FROM alarm_deliveries d WHERE NOT EXISTS (SELECT 1 FROM alarm_deliveries e"
        " WHERE e.subscription_id = d.subscription_id AND (e.created_at, e.id) < (d.created_at, d.id)))"
    )
    where = Where().add("due_at <= ?", tx.clock.now()).add(firsts)
    found = await tx.select(ALARM_DELIVERIES, where, order="due_at, id", limit=most)
    theirs = Where().any_of("id", {one.subscription_id for one in found})
    known = {one.id: one for one in await tx.select(ALARM_SUBSCRIPTIONS, theirs)} if found else {}
    return [(one, known[one.subscription_id]) for one in found if one.subscription_id in known]


async def next_due(tx: Tx) -> float | None:
    row = await tx.row("SELECT MIN(due_at) FROM alarm_deliveries")
    return float(row[0]) if row is not None and row[0] is not None else None


async def arrived(tx: Tx, delivery: Delivery) -> None:
    await tx.run("DELETE FROM alarm_deliveries WHERE id = ?", delivery.id)
    await tx.run(
        "UPDATE alarm_subscriptions SET failures = 0, last_error = NULL WHERE id = ? AND failures > 0",
        delivery.subscription_id,
    )


async def failed(tx: Tx, delivery: Delivery, why: str) -> None:
    """Again later, ever less often, and in the end not any more."""
    tries = delivery.tries + 1
    if tries >= TRIES_MOST:
        await tx.run("DELETE FROM alarm_deliveries WHERE id = ?", delivery.id)
    else:
        due_at = tx.clock.now() + pause_s(tries, first_s=_FIRST_S, most_s=_MOST_S)
        await tx.run("UPDATE alarm_deliveries SET tries = ?, due_at = ? WHERE id = ?", tries, due_at, delivery.id)
    await tx.run(
        "UPDATE alarm_subscriptions SET failures = failures + 1, last_error = ? WHERE id = ?",
        why[:500],
        delivery.subscription_id,
    )
