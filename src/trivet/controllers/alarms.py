"""Alarms: what is on its way to subscribers is sent, and sent again until it has arrived.

To each subscriber one after the other, in the order in which it happened; to many at once. What is sent is signed as
the Standard Webhooks say, so that its receiver can tell that it is ours and fresh.
"""

import asyncio
import base64
import hmac
import logging
from typing import Any

import msgspec

from trivet.clock import iso_micros
from trivet.controllers import chores
from trivet.domain.alarms import alarms, deliveries, sol003
from trivet.domain.alarms.deliveries import Delivery
from trivet.domain.alarms.subscriptions import Subscription
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import Unforeseen, foreseen
from trivet.drivers.web import Allowed, Pace, Web
from trivet.errors import Busy
from trivet.parts import Parts
from trivet.store.leases import Lease, Lost, fence
from trivet.store.log import Event
from trivet.store.store import transact
from trivet.store.tx import Tx

_AT_ONCE = 32
_LOOK_EVERY_S = 5.0
_ANSWER_S = 5.0
_DROPPED_AT_ONCE = 500
_logger = logging.getLogger(__name__)


class AlarmDeliverer:
    def __init__(self, parts: Parts, lease: Lease, web: Web | None = None) -> None:
        self._parts = parts
        self._store = parts.store
        self._lease = lease
        self._web = web or Web(Allowed(parts.settings.web_allow), Pace(answer_s=_ANSWER_S))
        self._something = asyncio.Event()

    async def on_events(self, events: list[Event]) -> None:
        if any(event.noun == alarms.ALARMS.name for event in events):
            self._something.set()

    async def on_resync(self) -> None:
        self._something.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            jobs: dict[str, chores.Job] = {"dropping old alarms": lambda tx: alarms.drop_old(tx, _DROPPED_AT_ONCE)}
            group.create_task(chores.do_all(self._store, self._lease, jobs))
            while True:
                self._something.clear()
                if not await self.step():
                    await self._news()

    async def step(self) -> int:
        """Sends what is due; how much that was."""
        async with self._store.read() as tx:
            due = await deliveries.due(tx, _AT_ONCE)
        await asyncio.gather(*(self._send(delivery, subscription) for delivery, subscription in due))
        return len(due)

    async def _news(self) -> None:
        async with self._store.read() as tx:
            at = await deliveries.next_due(tx)
        left = _LOOK_EVERY_S if at is None else min(max(at - self._parts.clock.now(), 0.05), _LOOK_EVERY_S)
        try:
            async with asyncio.timeout(left):
                await self._something.wait()
        except TimeoutError:
            return

    async def _send(self, delivery: Delivery, subscription: Subscription) -> None:
        try:
            why = await foreseen(f"delivery {delivery.id}", self._sent(delivery, subscription))
        except DriverError as error:
            why = error.why

        async def note(tx: Tx) -> None:
            await fence(tx, self._lease)
            await (deliveries.arrived(tx, delivery) if why is None else deliveries.failed(tx, delivery, why))

        try:
            await foreseen(f"delivery {delivery.id}", transact(self._store, note), Busy, Lost)
        except (Busy, Unforeseen) as error:
            _logger.warning("It was not noted how a delivery went, so it is sent again: %s", error)

    async def _sent(self, delivery: Delivery, subscription: Subscription) -> str | None:
        """None: it has arrived. What its receiver answers is told to nobody, since it may be anything."""
        secret = self._parts.secrets.open(subscription.sealed_secret)
        body, kind = message(delivery, subscription, self._parts.settings.url)
        headers = {"content-type": kind, **signed(delivery.id, int(self._parts.clock.now()), body, secret)}
        answer = await self._web.post(subscription.url, body, headers)
        answer.close()
        return None if 200 <= answer.status < 300 else f"Its receiver answered {answer.status}."


def message(delivery: Delivery, subscription: Subscription, url: str) -> tuple[bytes, str]:
    """(what is sent, what kind of thing that is)"""
    alarm: dict[str, Any] = msgspec.json.decode(delivery.body)
    if subscription.style == "sol003":
        return msgspec.json.encode(sol003.notification(alarm, delivery, subscription, url)), "application/json"
    event = {
        "specversion": "1.0",
        "id": delivery.id,
        "source": f"{url}/v1/alarms",
        "type": f"trivet.alarm.{delivery.event}",
        "subject": alarm["id"],
        "time": iso_micros(delivery.created_at, "Z"),
        "datacontenttype": "application/json",
        "data": alarms.spelled(alarm),
    }
    return msgspec.json.encode(event), "application/cloudevents+json"


def signed(id: str, at: int, body: bytes, secret: str) -> dict[str, str]:
    proof = hmac.digest(secret.encode(), f"{id}.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1," + base64.b64encode(proof).decode(),
    }
