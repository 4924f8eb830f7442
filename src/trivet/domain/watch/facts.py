"""The facts of a cloud as its database has them: hosts, servers, what waits, who does which duty, the log's end."""

import msgspec

from trivet.domain.hosts import capacity
from trivet.domain.hosts.hosts import HOSTS, Host, is_up
from trivet.domain.objects import scrub
from trivet.store import leases, log, migrations
from trivet.store.leases import Lease
from trivet.store.tx import Tx


class HostFact(msgspec.Struct, frozen=True):
    name: str
    kinds: tuple[str, ...]
    up: bool
    enabled: bool
    seen_s: float
    """How long ago its agent gave a sign of life."""
    vcpus: int
    vcpus_used: int
    memory_mib: int
    memory_mib_used: int
    disk_gib: int
    disk_gib_used: int
    servers: int


class Facts(msgspec.Struct, frozen=True):
    schema: int
    log_head: int
    log_at: float | None
    """When the newest change was made."""
    leases: list[Lease]
    hosts: list[HostFact]
    servers: dict[str, int]
    """The number of servers by status."""
    orders: int
    """What was asked of servers and is not done yet."""
    oldest_order_s: float
    damaged_objects: int
    """Whose bytes are not what they were."""


async def read(tx: Tx) -> Facts:
    now = tx.clock.now()
    found = await tx.select(HOSTS, order="name")
    room = await capacity.of_hosts(tx, [host.id for host in found])
    waiting, oldest = await _orders(tx)
    head, at = await log.newest(tx)
    return Facts(
        schema=await migrations.newest(tx),
        log_head=head,
        log_at=at,
        leases=await leases.all_held(tx),
        hosts=[_fact(host, room[host.id], now) for host in found],
        servers=await _servers(tx),
        orders=waiting,
        oldest_order_s=max(0.0, now - oldest) if oldest is not None else 0.0,
        damaged_objects=await scrub.damaged(tx),
    )


def _fact(host: Host, room: capacity.Capacity, now: float) -> HostFact:
    return HostFact(
        name=host.name,
        kinds=host.kinds,
        up=is_up(host),
        enabled=host.enabled,
        seen_s=round(max(0.0, now - host.agent_seen_at), 1),
        vcpus=host.vcpus,
        vcpus_used=room.vcpus_used,
        memory_mib=host.memory_mib,
        memory_mib_used=room.memory_mib_used,
        disk_gib=host.disk_gib,
        disk_gib_used=room.disk_gib_used,
        servers=room.servers,
    )


async def _servers(tx: Tx) -> dict[str, int]:
    sql = "SELECT status, COUNT(*) FROM servers WHERE deleted_at IS NULL GROUP BY status ORDER BY status"
    return {str(row[0]): int(row[1]) for row in await tx.rows(sql)}


async def _orders(tx: Tx) -> tuple[int, float | None]:
    row = await tx.row("SELECT COUNT(*), MIN(started_at) FROM server_actions WHERE finished_at IS NULL")
    assert row is not None
    return int(row[0]), row[1]
