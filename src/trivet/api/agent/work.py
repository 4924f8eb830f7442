"""The work of an agent: what changed, the orders, the reports."""

from trivet.api.agent import door
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain import order_building, reports
from trivet.domain.agent_words import Changes, OrdersAsked
from trivet.domain.console_output import CONSOLE_READS
from trivet.domain.hosts import Host
from trivet.domain.orders import Report
from trivet.domain.servers import SERVERS
from trivet.errors import Forbidden, Invalid
from trivet.store import log
from trivet.store.log import Event
from trivet.store.tx import Tx

_WAIT_S = 25.0
_LOOK_EVERY_S = 0.5
_BATCH = 500

resource = Resource()


@resource.on("POST", "/orders", may="public", tx="read")
async def orders(request: Request) -> Reply:
    host = await door.looking(request.tx, request)
    return Reply(200, await order_building.build(request.tx, [host.id], request.read(OrdersAsked).servers))


@resource.on("POST", "/reports", may="public")
async def report(request: Request) -> Reply:
    """Server id -> the revision it has now; a server that is not in the answer is no longer this host's."""
    host, _ = await door.changing(request.tx, request)
    told = request.read(list[Report])
    if any(each.host_id != host.id for each in told):
        raise Forbidden("agent.elsewhere", "An agent reports for its own host only.")
    revisions = {}
    for each in told:
        revision = await reports.settle(request.tx, each)
        if revision is not None:
            revisions[each.server_id] = revision
    return Reply(200, revisions)


@resource.on("GET", "/changes", may="public", tx="none")
async def changes(request: Request) -> Reply:
    """What happened on the host after a position; waits for something to happen. Without one: where the log is now."""
    parts = request.parts
    after = _position(request)
    until = parts.clock.monotonic() + _WAIT_S
    while True:
        async with parts.store.read() as tx:
            # Looked at on every turn: a credential that is revoked meanwhile hears nothing more.
            host = await door.looking(tx, request)
            found = await _since(tx, host, after)
        left = until - parts.clock.monotonic()
        if after is None or found.resync or found.servers or found.console_reads or left <= 0:
            return Reply(200, found)
        if found.position == after:
            await parts.store.wake.wait(min(left, _LOOK_EVERY_S))
        after = found.position


def _position(request: Request) -> int | None:
    text = request.asked("after")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise Invalid("query.invalid", "after must be a position that an earlier answer gave.")
    return int(text)


async def _since(tx: Tx, host: Host, after: int | None) -> Changes:
    if after is None:
        return Changes(position=await log.head(tx))
    try:
        events = await log.read(tx, after, _BATCH)
    except log.Forgotten:
        return Changes(position=await log.head(tx), resync=True)
    if not events and (head := await log.head(tx)) < after:
        # A database that was put back to an earlier day.
        return Changes(position=head, resync=True)
    return Changes(
        position=events[-1].seq if events else after,
        servers={e.id: e.revision for e in events if e.noun == SERVERS.name and e.host_id == host.id},
        console_reads=any(_asks(event, host) for event in events),
    )


def _asks(event: Event, host: Host) -> bool:
    return event.noun == CONSOLE_READS.name and event.verb == "created" and event.host_id == host.id
