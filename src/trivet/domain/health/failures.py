"""Failures of hosts, step by step, each with its time: suspected, confirmed, fenced, recovered, ended.

The order is never another one, since each step starts from the one before in its row. What forbids the next step
(a storm, a partition, no way to fence) is held, with the reason, until it is no more.
"""

from typing import Literal

from trivet.domain.hosts import pulse
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

State = Literal["suspected", "confirmed", "fenced", "recovered"]
KEPT = 100
"""Of one host."""


class HostFailure(Record, frozen=True, kw_only=True):
    host_id: str
    state: State
    why: str
    """What was seen, or what holds the next step up."""
    suspected_at: float
    confirmed_at: float | None = None
    fenced_at: float | None = None
    recovered_at: float | None = None
    """When each server had a new place, or it was clear that it has none."""
    ended_at: float | None = None


HOST_FAILURES = Table("host_failures", HostFailure)


async def open_ones(tx: Tx) -> dict[str, HostFailure]:
    """Host id -> its failure that is not over."""
    return {found.host_id: found for found in await tx.select(HOST_FAILURES, Where().add("ended_at IS NULL"))}


async def of_host(tx: Tx, host_id: str, most: int) -> list[HostFailure]:
    where = Where().equal("host_id", host_id)
    return await tx.select(HOST_FAILURES, where, order="suspected_at DESC, id DESC", limit=most)


async def suspect(tx: Tx, host_id: str, why: str) -> HostFailure:
    known = await tx.find(HOST_FAILURES, "host_id = ? AND ended_at IS NULL", host_id)
    if known is not None:
        return known
    await tx.run(
        "DELETE FROM host_failures WHERE host_id = ? AND id IN (SELECT id FROM host_failures WHERE host_id = ?"
        " ORDER BY suspected_at DESC, id DESC LIMIT 1000 OFFSET ?)",
        host_id,
        host_id,
        KEPT,
    )
    new = HostFailure(id=tx.ids.uuid(), host_id=host_id, state="suspected", why=why, suspected_at=tx.clock.now())
    await tx.insert(HOST_FAILURES, new)
    _say(tx, new, "suspected")
    return new


async def confirm(tx: Tx, failure: HostFailure, why: str) -> HostFailure:
    """By a second signal. From here on it is down in everybody's eyes: nothing new is placed there."""
    failure = await tx.update(HOST_FAILURES, failure, state="confirmed", why=why, confirmed_at=tx.clock.now())
    await pulse.told_dead(tx, failure.host_id)
    _say(tx, failure, "confirmed")
    return failure


async def hold_up(tx: Tx, failure: HostFailure, why: str) -> HostFailure:
    if failure.why != why:
        _say(tx, failure, "held")
    return await tx.update(HOST_FAILURES, failure, why=why)


async def fenced(tx: Tx, failure: HostFailure, why: str) -> HostFailure:
    """Nothing of it runs any more: only from here on may anything of it run elsewhere."""
    failure = await tx.update(HOST_FAILURES, failure, state="fenced", why=why, fenced_at=tx.clock.now())
    _say(tx, failure, "fenced")
    return failure


async def recovered(tx: Tx, failure: HostFailure, why: str) -> HostFailure:
    failure = await tx.update(HOST_FAILURES, failure, state="recovered", why=why, recovered_at=tx.clock.now())
    _say(tx, failure, "recovered")
    return failure


async def end(tx: Tx, failure: HostFailure, why: str) -> None:
    failure = await tx.update(HOST_FAILURES, failure, why=why, ended_at=tx.clock.now())
    await pulse.lives(tx, failure.host_id)
    _say(tx, failure, "ended")


async def fenced_since(tx: Tx, since: float) -> int:
    row = await tx.row("SELECT COUNT(*) FROM host_failures WHERE fenced_at >= ?", since)
    assert row is not None
    return int(row[0])


def _say(tx: Tx, failure: HostFailure, verb: str) -> None:
    """In the log, by which the order can be told afterwards."""
    tx.note(Change(HOST_FAILURES.name, failure.id, verb, failure.revision, host_id=failure.host_id))
