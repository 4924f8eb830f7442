"""The work of an agent: what changed, the orders, the reports."""

from typing import Annotated

import msgspec

from trivet.api.host_link import door
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.host_link import host_changes, order_building
from trivet.domain.host_link.words import Changes, OrdersAsked
from trivet.domain.hosts.hosts import Host
from trivet.domain.numbers import whole_number
from trivet.domain.servers import state as reports
from trivet.domain.servers.orders import Report
from trivet.errors import Forbidden, Invalid
from trivet.parts import Parts
from trivet.store import log

_WAIT_S = 25.0
_LOOK_EVERY_S = 0.5
_BATCH = 500
_Reports = Annotated[list[Report], msgspec.Meta(max_length=1_000)]

resource = Resource()


@resource.on("POST", "/orders", may="host", tx="none")
async def orders(request: Request) -> Reply:
    store = request.parts.store
    asked = request.read(OrdersAsked)
    async with store.read() as tx:
        host = await door.looking(tx, request)
        found = await order_building.build(tx, [host.id], asked.servers)
    await order_building.tell(store, found.unclear, lambda tx: door.changing(tx, request))
    return Reply(200, found)


@resource.on("POST", "/reports", may="host")
async def report(request: Request) -> Reply:
    """Server id -> the revision it has now; a server that is not in the answer is no longer this host's."""
    host, _ = await door.changing(request.tx, request)
    told = request.read(_Reports)
    if any(each.host_id != host.id for each in told):
        raise Forbidden("agent.elsewhere", "An agent reports for its own host only.")
    revisions = {}
    for each in told:
        revision = await reports.settle(request.tx, each)
        if revision is not None:
            revisions[each.server_id] = revision
    return Reply(200, revisions)


@resource.on("GET", "/changes", may="host", tx="none")
async def changes(request: Request) -> Reply:
    """What happened on the host after a position; waits for something to happen. Without one: where the log is now."""
    parts = request.parts
    after = _position(request)
    until = parts.clock.monotonic() + _WAIT_S
    async with parts.store.read() as tx:
        host = await door.looking(tx, request)
        if after is None:
            return Reply(200, Changes(position=await log.head(tx)))
    while True:
        found = await _since(parts, host, after)
        left = until - parts.clock.monotonic()
        if found.resync or found.servers or found.console_reads or left <= 0:
            async with parts.store.read() as tx:
                # A credential that was revoked meanwhile hears nothing more.
                await door.looking(tx, request)
            return Reply(200, found)
        if found.position == after:
            await _news(parts, host, left)
        after = found.position


def _position(request: Request) -> int | None:
    text = request.asked("after")
    if text is None:
        return None
    position = whole_number(text)
    if position is None:
        raise Invalid("query.invalid", "after must be a position that an earlier answer gave.")
    return position


async def _since(parts: Parts, host: Host, after: int) -> Changes:
    """Changes since a position, from what this process has followed, or else from the log itself."""
    known = parts.host_changes.since(host.id, after)
    if known is not None:
        return known
    async with parts.store.read() as tx:
        try:
            events = await log.read(tx, after, _BATCH)
        except log.Forgotten:
            return Changes(position=await log.head(tx), resync=True)
        if not events and (head := await log.head(tx)) < after:
            # A database that was put back to an earlier day.
            return Changes(position=head, resync=True)
    position = events[-1].seq if events else after
    return host_changes.told((event for event in events if event.host_id == host.id), position)


async def _news(parts: Parts, host: Host, left_s: float) -> None:
    if parts.host_changes.followed:
        await parts.host_changes.wait(host.id, left_s)
    else:
        await parts.store.wake.wait(min(left_s, _LOOK_EVERY_S))
