"""Acts on servers: each changes what is wanted and opens an action; the agent of the host does the rest.

A task stands for what is going on until a report settles the row. It has a deadline, after which the server
is in error with a fault: nothing is "in progress" for ever.
"""

from typing import Any

from trivet.domain.servers import actions as server_actions
from trivet.domain.servers.actions import Call
from trivet.domain.servers.create import grace_of
from trivet.domain.servers.ending import finish_delete
from trivet.domain.servers.kinds import check_isolation
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import Conflict, Forbidden, Invalid
from trivet.store.tx import Tx

TASK_S = 300.0
"""How long an act may take before it has failed."""
_SOFT = ("active",)
_HARD = ("active", "stopped", "paused", "suspended", "error")
_WHILE_REBOOTING = (
    None, "rebooting", "reboot_pending", "reboot_started", "rebooting_hard", "reboot_pending_hard",
    "reboot_started_hard", "resuming", "unpausing", "suspending", "powering-on",
)  # fmt: skip


async def order(
    tx: Tx, call: Call, server: Server, action: str, task: str, *, in_s: float = TASK_S, **changes: Any
) -> Server:
    """Write what is wanted from now on."""
    now = tx.clock.now()
    server = await tx.update(SERVERS, server, task=task, deadline_at=now + in_s, updated_at=now, **changes)
    await server_actions.begin(tx, call, server, action)
    return server


async def start(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "os-start", method="start", states=("stopped",))
    need_host(server, "start")
    check_isolation(server.kind, call.isolation)
    return await order(tx, call, server, "start", "powering-on", want="running", boots=server.boots + 1)


async def stop(tx: Tx, call: Call, id: str, timeout_s: float | None) -> Server:
    """`timeout_s` is what the guest may take; then its power is cut. 0 cuts it at once."""
    server = await ready(tx, call, id, "os-stop", method="stop", states=("active", "error"))
    need_host(server, "stop")
    grace_s = grace_of(server.properties) if timeout_s is None else timeout_s
    return await order(tx, call, server, "stop", "powering-off", in_s=TASK_S + grace_s, want="stopped", grace_s=grace_s)


async def reboot(tx: Tx, call: Call, id: str, *, hard: bool) -> Server:
    name = "reboot HARD" if hard else "reboot SOFT"
    if hard:
        server = await ready(tx, call, id, name, method="reboot", states=_HARD, tasks=_WHILE_REBOOTING)
    else:
        server = await ready(tx, call, id, name, method="reboot", states=_SOFT)
    need_host(server, "reboot")
    check_isolation(server.kind, call.isolation)
    grace_s = 0.0 if hard else grace_of(server.properties)
    task = "rebooting_hard" if hard else "rebooting"
    if server.task is not None:
        await server_actions.finish(tx, server.id, "Another reboot was asked for.")
    return await order(
        tx, call, server, "reboot", task, in_s=TASK_S + grace_s, want="running", boots=server.boots + 1, grace_s=grace_s
    )


async def pause(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "pause", states=("active",))
    return await order(tx, call, server, "pause", "pausing", want="paused")


async def unpause(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "unpause", states=("paused",))
    return await order(tx, call, server, "unpause", "unpausing", want="running")


async def suspend(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "suspend", states=("active",))
    return await order(tx, call, server, "suspend", "suspending", want="suspended")


async def resume(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "resume", states=("suspended",))
    return await order(tx, call, server, "resume", "resuming", want="running")


async def lock(tx: Tx, call: Call, id: str, reason: str | None) -> Server:
    """A locked server takes no acts but an operator's."""
    server = await ready(tx, call, id, "lock", tasks=None, lock_matters=False)
    by_operator = call.caller.is_operator and not call.caller.owns(server.project_id)
    if server.locked:
        return server
    return await _now(tx, call, server, "lock", locked=True, locked_reason=reason, locked_by_operator=by_operator)


async def unlock(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "unlock", tasks=None, lock_matters=False)
    if server.locked_by_operator and not call.caller.is_operator:
        raise Forbidden("server.locked_by_operator", f"Instance {server.id} was locked by an operator.")
    return await _now(tx, call, server, "unlock", locked=False, locked_reason=None, locked_by_operator=False)


async def reset_state(tx: Tx, call: Call, id: str, state: str) -> Server:
    """The operator says what the server is in: whatever was going on is over."""
    server = await ready(tx, call, id, "os-resetState", tasks=None)
    if server.reclaim_at is not None:
        raise Conflict("server.soft_deleted", f"Instance {server.id} was deleted: restore it first.")
    if state not in ("active", "error"):
        raise Invalid("state.invalid", "A server's state can be reset to active or error.")
    if server.task is not None:
        await server_actions.finish(tx, server.id, "The state was reset by an operator.")
    return await _now(
        tx, call, server, "resetState", status=state, task=None, fault=None, deadline_at=None, snapshot_image_id=None
    )


async def plug_again(tx: Tx, call: Call, id: str, action: str) -> Server:
    """An agent that looks at a server plugs its ports in, whether they are or not; writing the row makes it look."""
    server = await ready(tx, call, id, action, tasks=None)
    need_host(server, action)
    return await _now(tx, call, server, action)


async def delete(tx: Tx, call: Call, id: str) -> None:
    """Twice is the same as once. A server on no host is gone at once."""
    server = await ready(tx, call, id, "delete", tasks=None)
    if server.want == "gone":
        return
    if server.host_id is None:
        server = await finish_delete(tx, server)
        await server_actions.begin(tx, call, server, "delete", done=True)
        return
    if server.task is not None:
        await server_actions.finish(tx, server.id, "The server was deleted meanwhile.")
    await order(tx, call, server, "delete", "deleting", want="gone", grace_s=0.0)


async def _now(tx: Tx, call: Call, server: Server, action: str, **changes: Any) -> Server:
    """Something that is done as soon as it is written."""
    server = await tx.update(SERVERS, server, updated_at=tx.clock.now(), **changes)
    await server_actions.begin(tx, call, server, action, done=True)
    return server
