"""Reports: an agent says what is there; here it is compared with what is wanted, and the row is settled.

Level, not edge: a report is judged by what it shows, so the same one twice, or one that comes late, does no
harm. An error counts only against the order it was about.

A host that cannot build a new server does not end it: another one is tried. What the first one has begun is
a stray there, and its agent's sweep removes it.
"""

import msgspec

from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.images import images
from trivet.domain.network.ports import ports
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import (
    cards,
    changes,
    guest_words,
    mending,
    migrations,
    moving,
    rebuilding,
    shelved_images,
    shelving,
)
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.create import spawn_s
from trivet.domain.servers.ending import begin_delete, finish_delete
from trivet.domain.servers.orders import Report, rescue_mark
from trivet.domain.servers.servers import SERVERS, Fault, Server
from trivet.domain.servers.topology import inside
from trivet.domain.servers.words import Status, Want
from trivet.domain.volumes import attachments
from trivet.drivers.contracts.machine import Power, shape
from trivet.store.tx import Tx

_STATUS: dict[Power, Status] = {
    "running": "active",
    "stopped": "stopped",
    "crashed": "stopped",
    "paused": "paused",
    "suspended": "suspended",
}
_WANT: dict[Power, Want] = {
    "running": "running",
    "stopped": "stopped",
    "crashed": "stopped",
    "paused": "paused",
    "suspended": "suspended",
}
_FATAL = frozenset(
    ("spawning", "rebuilding", "rebuild_spawning", "powering-on", "rebooting", "rebooting_hard", "deleting")
)
"""Tasks that leave nothing running when they fail: the server is in error afterwards."""


_HOSTS_TRIED_MAX = 3
_WHY_MAX = 2_000
_VOLUMES_MAX = 1_000


async def settle(tx: Tx, report: Report) -> int | None:
    """The revision up to which the agent has heard of the row; None if there is no such server here any more."""
    server = await tx.get(SERVERS, report.server_id)
    if server is None or server.deleted_at is not None or not moving.is_mine(server, report.host_id):
        return None
    report = _cut(report)
    if server.host_id != report.host_id:
        settled = await moving.other_said(tx, server, report)
        return _heard(server, settled, report)
    if report.mending and server.want == "running" and report.boots == server.boots:
        server = await mending.began(tx, server)
        return server.revision
    if server.reimage_id is not None and report.power is None and report.revision == server.revision:
        server = await rebuilding.empty(tx, server)
    if server.want != "gone":
        await attachments.seen(tx, server.id, report.volumes, report.volume_faults)
    return _heard(server, await _settle(tx, server, report), report)


def _heard(before: Server, after: Server, report: Report) -> int | None:
    if not moving.is_mine(after, report.host_id):
        return None
    # What came in between the order and its report is news to the agent, whether or not we wrote after it; and so is
    # that another host has it now, for an agent that has them both; and what only begins with this report.
    begun = after.task is not None and after.task != before.task
    known = before.revision == report.revision and before.host_id == after.host_id and not begun
    return after.revision if known else report.revision


def _cut(report: Report) -> Report:
    """What a host says goes to the owner, into rows and lists; a host may be anybody's by now."""
    faults = {id: why[:_WHY_MAX] for id, why in list(report.volume_faults.items())[:_VOLUMES_MAX]}
    error = report.error[:_WHY_MAX] if report.error is not None else None
    return msgspec.structs.replace(report, error=error, volumes=report.volumes[:_VOLUMES_MAX], volume_faults=faults)


async def _settle(tx: Tx, server: Server, report: Report) -> Server:
    if report.error is not None:
        return await _failed(tx, server, report)
    if server.want == "gone":
        waits = report.power is not None or await moving.waits_for_other(tx, server)
        return server if waits else await finish_delete(tx, server)
    if moving.undecided(server):
        return await moving.said(tx, server, report)
    if server.task == shelving.OFFLOADING:
        return await shelving.finish_offload(tx, server) if report.power is None else server
    return await _compare(tx, server, report)


async def _compare(tx: Tx, server: Server, report: Report) -> Server:
    power = report.power
    boots_matter = server.want in ("running", "paused", "suspended")
    if power is None or report.builds != server.builds or (boots_matter and report.boots != server.boots):
        # Not there yet, or a boot behind: the order goes on.
        return server
    if server.status == "error" and server.task is None and server.fault is None:
        # An operator said so (os-resetState): it stays so until somebody acts.
        return server
    server = await _noticed(tx, server, report)
    if report.snapshot_image_id is not None and report.snapshot_image_id == server.snapshot_image_id:
        server = await tx.update(SERVERS, server, snapshot_image_id=None)
    if server.snapshot_image_id is not None or report.shape != _shape(server):
        return server
    server = await changes.adjusted(tx, server)
    return await _compare_power(tx, server, report, power)


async def _compare_power(tx: Tx, server: Server, report: Report, power: Power) -> Server:
    if report.rescue != rescue_mark(server.rescue.number if server.rescue is not None else None):
        return server
    server = await moving.arrived(tx, server)
    if moving.undecided(server):
        return server
    if report.passwords != server.passwords:
        if power in ("running", "paused"):
            return server
        if server.new_password is not None:
            return await fail(tx, server, "The guest stopped before it had its new password.", power)
    if server.rescue is not None:
        # It is in rescue until somebody ends that, also when its guest has shut down.
        return await _settled(tx, server, power, "rescued")
    if power in ("stopped", "crashed") and server.want in ("running", "paused", "suspended"):
        # The guest shut itself down, or its memory was lost: that is what it is now, and nobody boots it behind
        # its back.
        return await _over(tx, await _settled(tx, server, power, _STATUS[power], want="stopped"))
    if _WANT[power] != ("stopped" if server.want == "shelved" else server.want):
        return server
    return await _as_wanted(tx, server, power)


async def _as_wanted(tx: Tx, server: Server, power: Power) -> Server:
    server = await _settled(tx, server, power, _status(server, power))
    if shelving.is_due(server, tx.clock.now()):
        return await shelving.begin_offload(tx, server)
    return await _over(tx, server)


async def _noticed(tx: Tx, server: Server, report: Report) -> Server:
    """How it ended, or how it is."""
    ended = report.power in ("stopped", "crashed")
    seen = (report.exit_code if ended else None, None if ended else report.health or None)
    if seen == (server.exit_code, server.health):
        return server
    return await tx.update(SERVERS, server, exit_code=seen[0], health=seen[1])


async def _over(tx: Tx, server: Server) -> Server:
    """Deletes one that has run and stopped, if it was to last no longer than that."""
    if server.status == "stopped" and server.ends_with_program and server.boots:
        return await begin_delete(tx, server)
    return server


def _status(server: Server, power: Power) -> Status:
    if server.old_flavor is not None:
        return "resized"
    if server.reclaim_at is not None:
        return "soft-delete"
    return "shelved" if server.want == "shelved" else _STATUS[power]


async def _settled(tx: Tx, server: Server, power: Power, status: Status, *, want: Want | None = None) -> Server:
    if (server.status, server.power, server.task) == (status, power, None) and want in (None, server.want):
        return server
    now = tx.clock.now()
    if server.shelved_image_id is not None and status != "shelved":
        await shelved_images.drop(tx, server)
        server = await tx.update(SERVERS, server, shelved_image_id=None)
    server = await guest_words.told(tx, server)
    if server.task is not None:
        await server_actions.finish(tx, server.id)
        await migrations.settled(tx, server)
    return await tx.update(
        SERVERS,
        server,
        status=status,
        power=power,
        task=None,
        want=want or server.want,
        fault=None,
        deadline_at=None,
        launched_at=server.launched_at if server.launched_at is not None or status != "active" else now,
        updated_at=now,
    )


async def _failed(tx: Tx, server: Server, report: Report) -> Server:
    assert report.error is not None
    if report.revision < server.revision - 1 or server.task is None:
        return server
    if report.again:
        return await _noted(tx, server, report.error)
    return await _elsewhere(tx, server, report) or await fail(tx, server, report.error, report.power)


async def note(tx: Tx, server_id: str, why: str) -> None:
    """Something is in the way of what is waited for, and may pass."""
    server = await tx.get(SERVERS, server_id)
    if server is not None and server.deleted_at is None and server.task is not None:
        await _noted(tx, server, why)


async def _noted(tx: Tx, server: Server, why: str) -> Server:
    """What is in the way for now: if it never passes, that is what is told in the end."""
    if server.fault is not None and server.fault.message == why:
        return server
    return await tx.update(SERVERS, server, fault=Fault(code=500, message=why, at=tx.clock.now()))


async def _elsewhere(tx: Tx, server: Server, report: Report) -> Server | None:
    """Another host for what has never run; None if it is not for another host, or there is none."""
    has_run = report.power in ("running", "paused", "suspended") or (report.power is not None and report.boots > 0)
    if server.task != "spawning" or has_run:
        return None
    failed = (*server.failed_hosts, report.host_id)
    if len(failed) >= _HOSTS_TRIED_MAX:
        return None
    host = await server_placing.claim_elsewhere(tx, server, frozenset(failed))
    if host is None:
        return None
    for port in await ports.of_server(tx, server.id, server.project_id):
        await cards.bind(tx, server, port, host_id=host.id, zone=host.zone or DEFAULT_ZONE)
    now = tx.clock.now()
    return await tx.update(
        SERVERS, server, host_id=host.id, failed_hosts=failed, deadline_at=now + spawn_s(server.kind), updated_at=now
    )


async def end_late(tx: Tx, server: Server) -> Server:
    """What was going on has taken too long. A host that said meanwhile what is in the way still looks after the
    server, which then goes on as it was; of a silent one nothing is known."""
    why = f"The host did not finish {server.task or 'its work'} in time; try again or rebuild the server."
    if server.fault is None or server.fault.at < server.updated_at:
        return await fail(tx, server, why)
    power = None if server.power == "none" else server.power
    return await fail(tx, server, f"{why} What was in the way: {server.fault.message}", power)


async def fail(tx: Tx, server: Server, why: str, power: Power | None = None) -> Server:
    """What was going on has failed for good."""
    now = tx.clock.now()
    if server.move is not None and server.want != "gone":
        changed = await moving.give_up(tx, server, why, alive=power is not None)
        if changed is not None:
            return changed
        server = await tx.need(SERVERS, server.id, "server")
    if server.task == shelving.OFFLOADING or (server.task == "unshelving" and server.status == "shelved_offloaded"):
        server = await shelving.fail(tx, server)
        await server_actions.finish(tx, server.id, why)
        return server
    if server.task == changes.ADJUSTING or (server.task == "resize_prep" and power is not None):
        server = await changes.undo_resize(tx, server)
    if server.snapshot_image_id is not None:
        await images.give_up(tx, server.snapshot_image_id)
    await migrations.failed(tx, server)
    await server_actions.finish(tx, server.id, why)
    if server.task == "shelving":
        server = await tx.update(SERVERS, server, shelved_image_id=None, offload_at=None)
    if server.reimage_id is not None:
        server = await tx.update(SERVERS, server, reimage_id=None)
    server = await guest_words.give_up(tx, server)
    if server.task == "rescuing":
        server = await tx.update(SERVERS, server, rescue=None, rescue_image_id=None)
    if server.reclaim_at is not None and server.task == "soft-deleting":
        # Deleted is deleted; its host goes on stopping it.
        return await tx.update(SERVERS, server, status="soft-delete", task=None, deadline_at=None, updated_at=now)
    fault = Fault(code=500, message=why, at=now)
    if power is None or server.task in _FATAL:
        return await tx.update(
            SERVERS, server, status="error", task=None, fault=fault, deadline_at=None, power=power or "none",
            snapshot_image_id=None, updated_at=now,
        )  # fmt: skip
    # It goes on as it is; what was asked did not happen, and the action says why.
    return await tx.update(
        SERVERS, server, status=_STATUS[power], want=_WANT[power], power=power, task=None, deadline_at=None,
        fault=None, snapshot_image_id=None, updated_at=now,
    )  # fmt: skip


def _shape(server: Server) -> str:
    flavor = server.flavor
    name = inside.name_of(flavor, server.properties)
    return shape(flavor.vcpus, flavor.ram_mib, server.root_gib, server.local_disks, inside=name, cpus=flavor.cpus)
