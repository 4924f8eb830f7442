"""Availability zones: what tenants see of where things are. Aggregates make them; all other hosts are in one more."""

import msgspec

from trivet.domain.hosts import aggregates
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.placement.choosing import Want
from trivet.errors import Invalid
from trivet.store.tx import Tx

DEFAULT = "nova"


def of_host(host: Host) -> str:
    return host.zone or DEFAULT


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


async def narrow(tx: Tx, want: Want, zone: str) -> Want:
    """The same want within a zone, however many hosts it has. Invalid if there is no such zone."""
    zoned = [aggregate for aggregate in await aggregates.find_all(tx) if aggregate.zone is not None]
    if zone == DEFAULT and all(aggregate.zone != DEFAULT for aggregate in zoned):
        return msgspec.structs.replace(want, outside=want.outside | {aggregate.id for aggregate in zoned})
    ids = frozenset(aggregate.id for aggregate in zoned if aggregate.zone == zone and aggregate.hosts)
    if not ids:
        raise Invalid("zone.absent", "The requested availability zone is not available")
    return msgspec.structs.replace(want, aggregates=(*want.aggregates, ids))
