"""Notices: a notification is taken up, and ended when all that follows from it has.

One about a host makes it dead only if nothing of the host answers: who says so is a second signal, and no more.
"""

from trivet.domain.callers import Caller, expanded
from trivet.domain.health import failures, probes
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.recovery import bringing_back, notifications
from trivet.domain.recovery.notifications import HA_NOTIFICATIONS, Notification
from trivet.domain.row_locks import hold
from trivet.domain.servers import acts
from trivet.domain.servers.actions import Call
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import TrivetError
from trivet.store.tx import Tx
from trivet.store.where import Where

_ANSWERS = ("up", "impaired", "agent_down", "isolated")
_CLOUD = Call(Caller(user_id="", roles=expanded(("admin",)), system=True), "")
_TOLD = "Told by a notification."


async def take_up(tx: Tx, id: str) -> None:
    found = await tx.get(HA_NOTIFICATIONS, id)
    if found is None or found.status != "new":
        return
    # What follows may lock whatever comes after it.
    await hold(tx, HA_NOTIFICATIONS, id)
    name = await notifications.host_name(tx, found)
    if found.payload.get("event") not in ("STOPPED", None) and found.type != "VM":
        await notifications.turn(tx, found, "ignored", "Only what has stopped needs anything.")
    elif found.type == "COMPUTE_HOST":
        await _host(tx, found, name or "")
    elif found.type == "PROCESS":
        await _process(tx, found, name or "")
    else:
        await _machine(tx, found)


async def _host(tx: Tx, found: Notification, name: str) -> None:
    host = await tx.find(HOSTS, "name = ?", name)
    if host is None:
        await notifications.turn(tx, found, "failed", "There is no such host any more.")
        return
    verdict = await probes.verdict_of(tx, host.id)
    if verdict is not None and verdict.verdict in _ANSWERS:
        await notifications.turn(tx, found, "ignored", f"The host answers: {verdict.why}")
        return
    failure = await failures.suspect(tx, host.id, _TOLD)
    if failure.state == "suspected":
        await failures.confirm(tx, failure, _TOLD)
    await notifications.turn(tx, found, "running")


async def _process(tx: Tx, found: Notification, name: str) -> None:
    host = await tx.find(HOSTS, "name = ?", name)
    if host is None:
        await notifications.turn(tx, found, "failed", "There is no such host any more.")
        return
    process = str(found.payload.get("process_name", ""))[:100]
    if host.enabled:
        await hosts.switch(tx, host, enabled=False, reason=f"The process {process} has stopped there.")
    await notifications.turn(tx, found, "finished", "Nothing new is placed there until an operator enables it.")


async def _machine(tx: Tx, found: Notification) -> None:
    """Its agent has most likely started it again already; then there is nothing to do."""
    server = await tx.get(SERVERS, str(found.payload.get("instance_uuid", "")))
    if server is None or server.deleted_at is not None:
        await notifications.turn(tx, found, "ignored", "There is no such server.")
        return
    if server.status == "active" and server.power == "running":
        await notifications.turn(tx, found, "finished", "It runs: its host has started it again.")
        return
    try:
        await acts.reboot(tx, _CLOUD, server.id, hard=True)
    except TrivetError as error:
        await notifications.turn(tx, found, "failed", error.message)
        return
    await notifications.turn(tx, found, "finished", "It was booted again.")


async def begin(tx: Tx, host_name: str) -> str | None:
    """The notification under which moves are kept: the one that was sent, or one of our own; None where the host is in
    no segment."""
    running = await notifications.running_of(tx, host_name)
    if running is not None:
        return running.id
    try:
        payload = {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}
        made = await notifications.create(tx, host_name, "COMPUTE_HOST", payload, tx.clock.now(), status="running")
    except TrivetError:
        return None
    return made.id


async def recovered(tx: Tx, host_name: str, why: str) -> None:
    running = await notifications.running_of(tx, host_name)
    if running is not None:
        await notifications.turn(tx, running, "running", why)


async def settle(tx: Tx) -> None:
    """Ends what has nothing left to do."""
    where = Where().equal("type", "COMPUTE_HOST").equal("status", "running").add("message IS NOT NULL")
    for found in await tx.select(HA_NOTIFICATIONS, where, order="id"):
        if await bringing_back.settle_moves(tx, found.id):
            await notifications.turn(tx, found, "finished", found.message)


async def named(tx: Tx, server_id: str) -> Server:
    return await tx.need(SERVERS, server_id, "server")
