"""Chores: what has to be done now and then, a part at a time, for as long as a duty is held.

They know nothing of each other: each has its own transactions, and its own pause when it fails. They are short, since
each locks the duty's lease, which is renewed every other second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from trivet.clock import Clock, pause_s
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import Busy
from trivet.store.leases import Lease, Lost, fence
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_LOOK_EVERY_S = 600.0
_BREATH_S = 0.1
_JUMP_S = 60.0
_STEADY_S = 3600.0
_logger = logging.getLogger(__name__)

Job = Callable[[Tx], Awaitable[bool]]
"""Does a part, and says whether there is more."""


async def do_all(store: Store, lease: Lease, jobs: Mapping[str, Job]) -> None:
    """Does all chores in turn until the task is cancelled or the lease is lost."""
    age = _TrustedClock(store.clock)
    async with asyncio.TaskGroup() as group:
        for what, job in jobs.items():
            group.create_task(_now_and_then(store, lease, what, job, age))


async def _now_and_then(store: Store, lease: Lease, what: str, job: Job, age: "_TrustedClock") -> None:
    async def act(tx: Tx) -> bool:
        await fence(tx, lease)
        return await job(tx)

    failures = 0
    while True:
        more = False
        try:
            if age.may_be_told():
                more = await foreseen(what, transact(store, act), Busy, Lost)
            failures, wait_s = 0, _BREATH_S if more else _LOOK_EVERY_S
        except (Busy, DriverError) as error:
            failures += 1
            wait_s = pause_s(failures)
            _logger.warning("%s is left for later: %s", what.capitalize(), error)
        await store.clock.sleep(wait_s)


class _TrustedClock:
    """Whether the time of day can be trusted to say how old something is: not for an hour after it was set by more than
    a minute. What is forgotten in a wrong hour (that a token was revoked, say) does not come back when it is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_s = clock.now() - clock.monotonic()
        self._set_at: float | None = None

    def may_be_told(self) -> bool:
        steady = self._clock.monotonic()
        ahead_s = self._clock.now() - steady
        if abs(ahead_s - self._ahead_s) > _JUMP_S:
            self._set_at = steady
        self._ahead_s = ahead_s
        return self._set_at is None or steady - self._set_at >= _STEADY_S
