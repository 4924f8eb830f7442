"""/v1/alarms/stream: alarms as they are raised, changed and cleared, as server-sent events.

An event's id is its place in the log: who comes back with the last one that he saw misses nothing. A stream ends when
its token does, and after an hour in any case; clients of this kind come back by themselves.
"""

import math
from collections.abc import AsyncIterator

import msgspec

from trivet.api.alarms import views
from trivet.api.kit.accepts import preferred
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.alarms import alarms
from trivet.domain.callers import Caller
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid, TrivetError
from trivet.parts import Parts

resource = Resource()
_KIND = "text/event-stream"
_LONGEST_S = 3600.0
_LOOK_EVERY_S = 0.5
_STILL_S = 15.0


@resource.on("GET", "/stream", may="reader", tx="none")
async def stream(request: Request) -> Reply:
    if preferred(request.header("accept"), (_KIND,)) is None:
        raise Invalid("alarm_stream.accept", f"This is a stream: it is sent to who accepts {_KIND}.", status=406)
    said = request.header("last-event-id")
    after = whole_number(said) if said is not None else None
    if said is not None and after is None:
        raise Invalid("alarm_stream.id", "Last-Event-ID is the id of an event of this stream.")
    parts, caller = request.parts, request.caller
    if after is None:
        async with parts.store.read() as tx:
            after = await alarms.newest_event(tx)
    parts.alarm_streams.check(_holder(caller))
    headers = [(b"cache-control", b"no-store")]
    return Reply(200, _told(parts, request.header("x-auth-token") or "", after), headers, content_type=_KIND)


def _holder(caller: Caller) -> str:
    return caller.project_id or caller.user_id


async def _told(parts: Parts, token: str, after: int) -> AsyncIterator[bytes]:
    caller = parts.tokens.caller(token)
    with parts.alarm_streams.place(_holder(caller)):
        began = parts.clock.monotonic()
        ends = min(_LONGEST_S, max(0.0, caller.ends_at - parts.clock.now()) if caller.ends_at else math.inf)
        told_at = began
        yield b": alarms\n\n"
        while parts.clock.monotonic() - began < ends:
            async with parts.store.read() as tx:
                after, found = await alarms.since(tx, caller, after)
            if not _still_good(parts, token):
                return
            now = parts.clock.monotonic()
            for seq, alarm in found:
                event = "cleared" if alarm.cleared_at is not None else "raised"
                body = msgspec.json.encode(views.alarm(alarm, [])).decode()
                yield f"id: {seq}\nevent: {event}\ndata: {body}\n\n".encode()
                told_at = now
            if now - told_at > _STILL_S:
                told_at = now
                yield b": still here\n\n"
            if not found:
                await parts.store.wake.wait(_LOOK_EVERY_S)


def _still_good(parts: Parts, token: str) -> bool:
    """A token that was revoked meanwhile hears nothing more."""
    try:
        parts.tokens.caller(token)
    except TrivetError:
        return False
    return True
