"""When an act on a server is refused: its state, what is going on, whether it is locked, and its kind.

One place, so that every act refuses in the same words, which clients and their tests know by heart.
"""

from collections.abc import Collection

from trivet.domain.servers import servers
from trivet.domain.servers.action_table import reason_against
from trivet.domain.servers.actions import Call
from trivet.domain.servers.servers import Server
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx

_NOT_BETWEEN_HOSTS = frozenset(("migrate", "rebuild", "rescue", "resize", "shelve"))
"""What would make anew, or take away, a disk of which two hosts have one each."""
NO_TASK: tuple[None] = (None,)


async def ready(
    tx: Tx,
    call: Call,
    id: str,
    action: str,
    *,
    method: str | None = None,
    states: Collection[str] | None = None,
    tasks: Collection[str | None] | None = NO_TASK,
    lock_matters: bool = True,
) -> Server:
    """The server, if `action` (as the table of actions names it) may be done to it now."""
    server = await servers.changeable(tx, call.caller, id)
    if lock_matters and server.locked and not call.caller.is_operator:
        raise Conflict("server.locked", f"Instance {server.id} is locked")
    why_not = reason_against(action, server.kind)
    if why_not is not None:
        sentence = f"{action} is not applicable to a {server.kind}: {why_not}"
        if action.startswith("console "):
            # It is the type that was asked for wrongly; clients try the next one at 400.
            raise Invalid("console.not_applicable", sentence)
        raise Conflict("action.not_applicable", sentence)
    check_state(server, method or action, states, tasks)
    if server.move is not None and action in _NOT_BETWEEN_HOSTS:
        raise Conflict(
            "server.between_hosts",
            f"Cannot '{method or action}' instance {server.id} while it is between two hosts: confirm or revert "
            "its move, or wait until its host answers.",
        )
    return server


def check_state(
    server: Server,
    method: str,
    states: Collection[str] | None,
    tasks: Collection[str | None] | None = NO_TASK,
) -> None:
    if states is not None and server.status not in states:
        raise Conflict(
            "server.state", f"Cannot '{method}' instance {server.id} while it is in vm_state {server.status}"
        )
    if tasks is not None and server.task not in tasks:
        raise Conflict("server.task", f"Cannot '{method}' instance {server.id} while it is in task_state {server.task}")


def need_host(server: Server, method: str) -> str:
    """A server that was never placed has nothing that could be started or stopped."""
    if server.host_id is None:
        raise Conflict(
            "server.unplaced", f"Cannot '{method}' instance {server.id}: it is on no host. Delete it and make it again."
        )
    return server.host_id
