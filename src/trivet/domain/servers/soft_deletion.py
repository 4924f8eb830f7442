"""Soft deletion: a deleted server is stopped, and can be brought back for a while, if the operator says so.

It keeps its place on the host, its ports and its volumes, and takes no quota any more: `reclaim_at` is set exactly as
long as it is so. Only what has run and is at rest or plainly running is kept; anything else is gone at once, as
upstream does with what never ran.
"""

from trivet.domain.callers import Caller, expanded
from trivet.domain.images import images
from trivet.domain.limits import quotas
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import acts, guest_words, usage
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import TASK_S, order
from trivet.domain.servers.create import cost, grace_of
from trivet.domain.servers.kinds import check_isolation
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import SERVERS, Server
from trivet.store.tx import Tx

_STATES = ("active", "stopped", "paused", "suspended")
_TASKS = (
    None, "rebooting", "rebooting_hard", "pausing", "unpausing", "suspending", "resuming", "powering-on",
    "powering-off", "image_snapshot", "image_backup", "updating_password",
)  # fmt: skip
_CLOUD = Call(Caller(user_id="", roles=expanded(("admin",)), system=True), "")


async def delete(tx: Tx, call: Call, id: str, keep_s: int) -> None:
    """`keep_s`: how long it can be brought back; 0: it is gone."""
    server = await ready(tx, call, id, "delete", tasks=None)
    if server.reclaim_at is not None:
        return
    if keep_s <= 0 or not _can_rest(server):
        await acts.delete(tx, call, id)
        return
    if server.snapshot_image_id is not None:
        await images.give_up(tx, server.snapshot_image_id)
    if server.task is not None:
        await server_actions.finish(tx, server.id, "The server was deleted meanwhile.")
    server = await guest_words.give_up(tx, server)
    grace_s = grace_of(server.properties)
    await order(
        tx,
        call,
        server,
        "delete",
        "soft-deleting",
        in_s=TASK_S + grace_s,
        want="stopped",
        grace_s=grace_s,
        snapshot_image_id=None,
        reclaim_at=tx.clock.now() + keep_s,
    )
    quotas.at_end(tx, server.project_id, cost(server.flavor, -1))


def _can_rest(server: Server) -> bool:
    if server.host_id is None or server.launched_at is None or server.want == "gone":
        return False
    under_way = (server.rescue, server.old_flavor, server.shelved_image_id, server.reimage_id)
    return server.status in _STATES and server.task in _TASKS and all(each is None for each in under_way)


async def restore(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "restore", states=("soft-delete",))
    need_host(server, "restore")
    check_isolation(server.kind, call.isolation)
    server = await order(
        tx, call, server, "restore", "restoring", want="running", boots=server.boots + 1, reclaim_at=None
    )  # fmt: skip
    amounts = cost(server.flavor)
    await quotas.take(
        tx, server.project_id, amounts, user_id=server.user_id, count=usage.taken_by_user, there=True
    )  # fmt: skip
    return server


async def reclaim(tx: Tx, id: str) -> None:
    """Its time is over."""
    server = await tx.get(SERVERS, id)
    if server is not None and server.task is None and is_due(server, tx.clock.now()):
        await acts.delete(tx, _CLOUD, id)


def is_due(server: Server, now: float) -> bool:
    return server.reclaim_at is not None and server.reclaim_at <= now
