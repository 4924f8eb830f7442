"""What the agent of one host may touch: what is placed on that host, while its session is the newest.

A session is the lease `agent of <host>`, the one that a process of `trivet up` would hold for the same host,
so no two ever work on one machine. Registering begins a new session even for the same holder: what the
agent sent before it died, and arrives late, no longer counts.
"""

import logging

import msgspec

from trivet.domain.host_link.words import Facts, Registered
from trivet.domain.hosts import approvals, hosts
from trivet.domain.hosts import hardware as host_hardware
from trivet.domain.hosts.approvals import Approval, Size
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.images import images
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.numbers import whole_number
from trivet.domain.servers.console_output import CONSOLE_READS, ConsoleRead
from trivet.domain.servers.servers import SERVERS, Server
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store import leases
from trivet.store.leases import Lease, Sightings
from trivet.store.tx import Tx

_logger = logging.getLogger(__name__)
LEASE_S = 25.0
"""An agent is heard of every ten seconds."""


def _lease_name(host: str) -> str:
    return f"agent of {host}"


async def register(tx: Tx, name: str, facts: Facts, sightings: Sightings) -> Registered:
    """The host as its agent describes it, and a new session. Conflict while another agent has one."""
    lease = await leases.take(tx, _lease_name(name), facts.holder, LEASE_S, sightings)
    if lease is None:
        raise Conflict("agent.held", f"Another agent looks after host {name} at the moment.")
    now = tx.clock.now()
    said = {field: getattr(facts, field) for field in facts.__struct_fields__ if field not in ("holder", "hardware")}
    has = Size(facts.vcpus, facts.memory_mib, facts.disk_gib)
    approval = await approvals.say(tx, name, has, facts.kinds)
    sold, kinds = approval.sold, approval.sold_kinds
    if (sold, kinds) != (has, approval.said_kinds):
        _logger.warning(
            "Host %s says that it has %s for %s; it sells what is approved, %s for %s.",
            name, has, approval.said_kinds, sold, kinds,
        )  # fmt: skip
    said |= msgspec.structs.asdict(sold) | {"kinds": kinds}
    _refuse_nonsense(facts)
    hardware = facts.hardware
    if hardware is not None:
        host_hardware.check(hardware)
    new = Host(id=tx.ids.uuid(), name=name, created_at=now, updated_at=now, agent_seen_at=now, **said)
    host = await hosts.register(tx, new, hardware=hardware)
    # An agent serves no API: nobody can relay to its consoles.
    await hosts.look_after(tx, [host.id], "")
    return Registered(host_id=host.id, host=name, session=f"{lease.holder}:{lease.token}")


def _refuse_nonsense(facts: Facts) -> None:
    """What operators are shown of the machine is read again then, in every list of hosts."""
    try:
        msgspec.json.decode(facts.cpu_info or "{}", type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("host.cpu_info", f"cpu_info is no JSON object: {error}.") from error


async def approve(tx: Tx, name: str, most: Size, kinds: tuple[str, ...] | None = None) -> Approval:
    """What a host may sell: at once, if it is there."""
    approval = await approvals.approve(tx, name, most, kinds)
    host = await tx.find(HOSTS, "name = ?", name)
    if host is not None:
        sold = approval.sold
        host = await hosts.resize(tx, host, vcpus=sold.vcpus, memory_mib=sold.memory_mib, disk_gib=sold.disk_gib)
        await hosts.offer(tx, host, approval.sold_kinds)
    return approval


async def host_of(tx: Tx, name: str) -> Host:
    host = await tx.find(HOSTS, "name = ?", name)
    if host is None:
        raise Conflict("agent.unregistered", f"Host {name} has not been registered by its agent yet.")
    return host


def session(host: Host, text: str | None) -> Lease:
    holder, _, said = (text or "").partition(":")
    token = whole_number(said)
    if token is None:
        raise leases.Lost("lease.lost", "This needs the session that registering the host gave.")
    return Lease(_lease_name(host.name), holder, token, 0.0)


async def heartbeat(tx: Tx, host: Host, lease: Lease) -> None:
    await leases.renew(tx, lease, LEASE_S)
    await hosts.heard(tx, host.id, tx.clock.now())


async def leave(tx: Tx, lease: Lease) -> None:
    await leases.fence(tx, lease)
    await leases.release(tx, lease.name, lease.holder)


# -- what is placed on the host


async def server(tx: Tx, host: Host, id: str) -> Server:
    found = await tx.get(SERVERS, id)
    if found is None or found.host_id != host.id or found.deleted_at is not None:
        # The same whether or not it exists: what is elsewhere is none of this host's business.
        raise Forbidden("agent.elsewhere", "There is no such server on this host.")
    return found


async def server_at(tx: Tx, host: Host, network_id: str, ip: str) -> bool:
    """Whether the server with this address is one of the host's."""
    row = await tx.row(
        "SELECT 1 FROM addresses a JOIN ports p ON p.id = a.port_id JOIN servers s ON s.id = p.device_id"
        " AND s.project_id = p.project_id"
        " WHERE a.ip = ? AND a.network_id = ? AND s.host_id = ? AND s.deleted_at IS NULL",
        ip,
        network_id,
        host.id,
    )
    return row is not None


async def image(tx: Tx, host: Host, id: str, blob_key: str) -> Image:
    """An image that a server of the host starts from, with the bytes that its order named."""
    await _need_server(tx, host, ("image_id", "shelved_image_id", "rescue_image_id"), id)
    found = await tx.get(IMAGES, id)
    if found is None or blob_key not in found.kept.values():
        raise NotFound("image.absent", f"Those bytes of image {id} are gone.")
    return found


async def snapshot(tx: Tx, host: Host, id: str, disk_format: str) -> Image:
    """An image that waits for a snapshot of one of the host's servers."""
    await _need_server(tx, host, ("snapshot_image_id",), id)
    found = await tx.need(IMAGES, id, "image")
    if found.status not in ("queued", "saving"):
        raise Conflict("image.status", f"Image {id} is {found.status} and waits for no snapshot.")
    return await images.of_format(tx, found, disk_format)


async def _need_server(tx: Tx, host: Host, columns: tuple[str, ...], image_id: str) -> None:
    either = " OR ".join(f"{column} = ?" for column in columns)
    sql = f"SELECT 1 FROM servers WHERE host_id = ? AND ({either}) AND deleted_at IS NULL LIMIT 1"
    if await tx.row(sql, host.id, *(image_id for _ in columns)) is None:
        raise Forbidden("agent.elsewhere", "No server on this host has to do with that image.")


async def console_read(tx: Tx, host: Host, id: str) -> ConsoleRead:
    found = await tx.get(CONSOLE_READS, id)
    if found is None:
        raise NotFound("console_read.absent", "Nobody waits for that any more.")
    if found.host_id != host.id:
        raise Forbidden("agent.elsewhere", "That was asked of another host.")
    return found
