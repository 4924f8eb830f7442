"""What is said to a guest while it runs: an interrupt that makes its kernel dump, and a new password.

Each is counted in the row, and in the marks of the machine: where the two differ, the guest has yet to be told.
"""

from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import wishes
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import TASK_S, order
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import Conflict
from trivet.store.tx import Tx

_DUMPING = ("active", "paused", "rescued", "resized", "error")


async def crash_dump(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "trigger_crash_dump", states=_DUMPING)
    need_host(server, "trigger_crash_dump")
    server = await tx.update(SERVERS, server, interrupts=server.interrupts + 1, updated_at=tx.clock.now())
    await server_actions.begin(tx, call, server, "trigger_crash_dump", done=True)
    return server


async def change_password(tx: Tx, call: Call, id: str, sealed: str) -> Server:
    server = await ready(tx, call, id, "changePassword", method="set_admin_password", states=("active",))
    need_host(server, "set_admin_password")
    if not wishes.has_guest_agent(server.properties):
        raise Conflict(
            "server.no_guest_agent",
            f"Failed to set admin password on {server.id}: QEMU guest agent is not enabled; it is where the image has "
            "the property hw_qemu_guest_agent=yes, and the agent runs in the guest.",
        )
    return await order(
        tx,
        call,
        server,
        "changePassword",
        "updating_password",
        in_s=TASK_S,
        passwords=server.passwords + 1,
        new_password=sealed,
    )


async def told(tx: Tx, server: Server) -> Server:
    """The guest has its new password."""
    if server.new_password is None:
        return server
    return await tx.update(SERVERS, server, sealed_password=server.new_password, new_password=None)


async def give_up(tx: Tx, server: Server) -> Server:
    """It keeps the one that it has."""
    if server.new_password is None:
        return server
    return await tx.update(SERVERS, server, passwords=server.passwords - 1, new_password=None)
