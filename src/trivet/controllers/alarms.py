"""Alarms: what is on its way to subscribers is sent, and sent again until it has arrived.

To each subscriber one after the other, in the order in which it happened; to many at once, but only to a few of one
project: receivers that never answer, or whose names nobody finds, keep that project's own news waiting. What is sent is
signed as the Standard Webhooks say, so that its receiver can tell that it is ours and fresh.
"""

import asyncio
import base64
import hmac
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

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
_OF_ONE_PROJECT = 4
_LOOKED_AT = 500
_LOOK_EVERY_S = 5.0
_ANSWER_S = 5.0
_DROPPED_AT_ONCE = 500
_logger = logging.getLogger(__name__)

T = TypeVar("T")


class _Threads(ThreadPoolExecutor):
    def __init__(self) -> None:
        super().__init__(_OF_ONE_PROJECT, thread_name_prefix="webhooks")
        self.busy: set[Future[Any]] = set()

    def submit(self, act: Callable[..., T], /, *args: Any, **words: Any) -> "Future[T]":
        found = super().submit(act, *args, **words)
        self.busy.add(found)
        found.add_done_callback(self.busy.discard)
        return found


class _OwnWeb:
    """A project's own way out."""

    def __init__(self, allowed: str) -> None:
        self._threads = _Threads()
        self.web = Web(Allowed(allowed), Pace(answer_s=_ANSWER_S), self._threads)

    @property
    def is_idle(self) -> bool:
        return not self._threads.busy

    def close(self) -> None:
        self._threads.shutdown(wait=False)


class AlarmDeliverer:
    def __init__(self, parts: Parts, lease: Lease, web: Web | None = None) -> None:
        self._parts = parts
        self._store = parts.store
        self._lease = lease
        self._web = web
        self._webs: dict[str, _OwnWeb] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        """Subscription -> what is being sent there."""
        self._held: Counter[str] = Counter()
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
            try:
                while True:
                    self._something.clear()
                    if not await self._begin():
                        await self._news()
            finally:
                await self._end()

    async def step(self) -> int:
        """Sends what is due, and waits until it is sent; how much that was."""
        begun = await self._begin()
        while self._busy:
            await asyncio.wait(self._busy.values())
        return begun

    async def _begin(self) -> int:
        """Of what is due, as much as may be under way at once; how much that is."""
        async with self._store.read() as tx:
            due = await deliveries.due(tx, _LOOKED_AT)
        self._let_go()
        begun = 0
        for delivery, subscription in due:
            holder = subscription.project_id or ""
            full = len(self._busy) >= _AT_ONCE or self._held[holder] >= _OF_ONE_PROJECT
            if full or subscription.id in self._busy:
                continue
            self._held[holder] += 1
            task = asyncio.create_task(self._send(delivery, subscription), name=f"delivery {delivery.id}")
            self._busy[subscription.id] = task
            task.add_done_callback(partial(self._done, holder, subscription.id))
            begun += 1
        return begun

    def _done(self, holder: str, subscription_id: str, _: "asyncio.Task[None]") -> None:
        del self._busy[subscription_id]
        self._held[holder] -= 1
        if not self._held[holder]:
            del self._held[holder]
        self._something.set()

    def _let_go(self) -> None:
        """Of threads that nobody needs. Some still look for a name that was given up: until they have ended their
        project gets no others."""
        for holder in [holder for holder, own in self._webs.items() if not self._held[holder] and own.is_idle]:
            self._webs.pop(holder).close()

    async def _end(self) -> None:
        tasks = list(self._busy.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for own in self._webs.values():
            own.close()

    def _web_of(self, subscription: Subscription) -> Web:
        """Each project waits in threads of its own."""
        if self._web is not None:
            return self._web
        holder = subscription.project_id or ""
        if holder not in self._webs:
            self._webs[holder] = _OwnWeb(self._parts.settings.web_allow)
        return self._webs[holder].web

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
        answer = await self._web_of(subscription).post(subscription.url, body, headers)
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
