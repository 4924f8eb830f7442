"""Availability zones: what tenants see of where things are. Aggregates make them; all other hosts are in one more."""

from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.store.tx import Tx

DEFAULT_ZONE = "nova"
"""The zone of a host that no aggregate puts into another one. Clients know it by this name."""


def of_host(host: Host) -> str:
    return host.zone or DEFAULT_ZONE


async def named(tx: Tx) -> list[str]:
    """Those that some host is in by name."""
    rows = await tx.rows("SELECT DISTINCT zone FROM hosts WHERE zone IS NOT NULL ORDER BY zone")
    return [str(row[0]) for row in rows]


async def by_zone(tx: Tx) -> dict[str, list[Host]]:
    """Zones that have hosts, sorted by name."""
    found: dict[str, list[Host]] = {}
    for host in await tx.select(HOSTS, order="name"):
        found.setdefault(of_host(host), []).append(host)
    return dict(sorted(found.items()))
