"""Aggregates: hosts that an operator groups. One whose metadata names an availability zone makes it.

Placement sees the same groups as aggregates of providers, so a request can be kept to one of them.
"""

from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.placement import supply
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

ZONE_KEY = "availability_zone"


class Aggregate(Record, frozen=True, kw_only=True):
    number: int
    name: str
    created_at: float
    updated_at: float | None = None
    metadata: dict[str, str] = {}
    hosts: tuple[str, ...] = ()
    """Their ids, in the order in which they joined."""

    @property
    def zone(self) -> str | None:
        return self.metadata.get(ZONE_KEY)


AGGREGATES = Table("aggregates", Aggregate)


async def find_all(tx: Tx) -> list[Aggregate]:
    return await tx.select(AGGREGATES, order="number")


async def need(tx: Tx, number: int) -> Aggregate:
    aggregate = await tx.find(AGGREGATES, "number = ?", number)
    if aggregate is None:
        raise NotFound("aggregate.absent", f"Aggregate {number} could not be found.")
    return aggregate


async def create(tx: Tx, name: str, zone: str | None) -> Aggregate:
    await _check_name(tx, name)
    row = await tx.row(
        "INSERT INTO numbers (name, last) VALUES ('aggregates', 1)"
        " ON CONFLICT (name) DO UPDATE SET last = numbers.last + 1 RETURNING last"
    )
    assert row is not None
    aggregate = Aggregate(
        id=tx.ids.uuid(),
        number=int(row[0]),
        name=name,
        created_at=tx.clock.now(),
        metadata={} if zone is None else {ZONE_KEY: zone},
    )
    return await tx.insert(AGGREGATES, aggregate)


async def rename(tx: Tx, aggregate: Aggregate, name: str) -> Aggregate:
    if name != aggregate.name:
        await _check_name(tx, name)
    return await tx.update(AGGREGATES, aggregate, name=name, updated_at=tx.clock.now())


async def delete(tx: Tx, aggregate: Aggregate) -> None:
    if aggregate.hosts:
        raise Invalid(
            "aggregate.in_use",
            f"Cannot delete aggregate {aggregate.number}. Reason: Host aggregate is not empty.",
        )
    await tx.delete(AGGREGATES, aggregate)


async def set_metadata(tx: Tx, aggregate: Aggregate, changes: dict[str, str | None]) -> Aggregate:
    """None takes a key away."""
    metadata = {key: value for key, value in (aggregate.metadata | changes).items() if value is not None}
    zone = metadata.get(ZONE_KEY)
    if zone != aggregate.zone:
        await _check_zone(tx, aggregate, zone)
    aggregate = await tx.update(AGGREGATES, aggregate, metadata=metadata, updated_at=tx.clock.now())
    for host in await _hosts(tx, aggregate):
        await _settle_zone(tx, host)
    return aggregate


async def add_host(tx: Tx, aggregate: Aggregate, name: str) -> Aggregate:
    host = await hosts.by_name(tx, name)
    if host.id in aggregate.hosts:
        raise Conflict("aggregate.host_exists", f"Aggregate {aggregate.number} already has host {name}.")
    if aggregate.zone is not None:
        other = await _zone_of(tx, host.id)
        if other not in (None, aggregate.zone):
            raise Conflict(
                "aggregate.other_zone",
                f"Cannot add host to aggregate {aggregate.number}. Reason: One or more hosts already in availability"
                f" zone(s) ['{other}'].",
            )
        if other is None and await _has_servers(tx, host.id):
            raise Conflict(
                "aggregate.host_in_use",
                f"Cannot add host to aggregate {aggregate.number}. Reason: Cannot move host {name} to availability"
                " zone while it has servers.",
            )
    aggregate = await tx.update(AGGREGATES, aggregate, hosts=(*aggregate.hosts, host.id), updated_at=tx.clock.now())
    await _settle_zone(tx, host)
    await supply.join(tx, host.id, aggregate.id)
    return aggregate


async def remove_host(tx: Tx, aggregate: Aggregate, name: str) -> Aggregate:
    host = await hosts.by_name(tx, name)
    if host.id not in aggregate.hosts:
        raise NotFound("aggregate.host_absent", f"Cannot remove host {name} in aggregate {aggregate.number}")
    if aggregate.zone is not None and await _has_servers(tx, host.id):
        raise Conflict(
            "aggregate.host_in_use",
            f"Cannot remove host from aggregate {aggregate.number}. Reason: Cannot move host {name} out of its"
            " availability zone while it has servers.",
        )
    kept = tuple(id for id in aggregate.hosts if id != host.id)
    aggregate = await tx.update(AGGREGATES, aggregate, hosts=kept, updated_at=tx.clock.now())
    await _settle_zone(tx, host)
    await supply.leave(tx, host.id, aggregate.id)
    return aggregate


async def host_names(tx: Tx, found: list[Aggregate]) -> dict[str, str]:
    """id -> name of every host in any of them."""
    return await hosts.names_of(tx, {id for aggregate in found for id in aggregate.hosts})


async def _hosts(tx: Tx, aggregate: Aggregate) -> list[Host]:
    return await tx.select(HOSTS, Where().any_of("id", aggregate.hosts))


async def _check_name(tx: Tx, name: str) -> None:
    if await tx.find(AGGREGATES, "name = ?", name) is not None:
        raise Conflict("aggregate.exists", f"Aggregate {name} already exists.")


async def _check_zone(tx: Tx, aggregate: Aggregate, zone: str | None) -> None:
    if zone == "":
        raise Invalid(
            "aggregate.zone_empty",
            f"Cannot update aggregate {aggregate.number}. Reason: Aggregate {aggregate.number} does not support empty"
            " named availability zone.",
        )
    for host in await _hosts(tx, aggregate):
        if await _has_servers(tx, host.id):
            raise Invalid(
                "aggregate.host_in_use",
                f"Cannot update aggregate {aggregate.number}. Reason: One or more hosts contain instances in this"
                " zone.",
            )
        if zone is not None and await _zone_of(tx, host.id, but=aggregate.id) not in (None, zone):
            raise Invalid(
                "aggregate.other_zone",
                f"Cannot update aggregate {aggregate.number}. Reason: One or more hosts already in a different"
                " availability zone.",
            )


async def _settle_zone(tx: Tx, host: Host) -> None:
    zone = await _zone_of(tx, host.id)
    if zone != host.zone:
        await tx.update(HOSTS, host, zone=zone, updated_at=tx.clock.now())


async def _zone_of(tx: Tx, host_id: str, *, but: str = "") -> str | None:
    """What the host's aggregates say (there are few of them)."""
    for aggregate in await find_all(tx):
        if aggregate.id != but and aggregate.zone is not None and host_id in aggregate.hosts:
            return aggregate.zone
    return None


async def _has_servers(tx: Tx, host_id: str) -> bool:
    return await tx.row("SELECT 1 FROM servers WHERE host_id = ? AND deleted_at IS NULL LIMIT 1", host_id) is not None
