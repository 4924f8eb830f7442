"""Why no host was found for a server, in words about the one wish that stood in the way.

It is asked only after a claim has failed, so it may look several times. Meanwhile others come and go: what it says
is a help and decides nothing.
"""

import msgspec

from trivet.domain.hosts import hosts
from trivet.domain.placement import choosing
from trivet.domain.placement.choosing import Want
from trivet.domain.servers.placing import Spot, narrowed, want_of
from trivet.domain.servers.servers import FlavorOf
from trivet.domain.servers.topology import asks, places
from trivet.domain.servers.topology.places import Wanted
from trivet.domain.servers.words import Kind
from trivet.store.tx import Tx

_UNITS = {"VCPU": "vCPUs", "MEMORY_MB": "MB of memory", "DISK_GB": "GB of disk"}


async def why_not(tx: Tx, kind: Kind, flavor: FlavorOf, properties: dict[str, str], spot: Spot) -> str:
    whole = want_of(kind, flavor, properties, None, frozenset())
    inside = places.wanted(flavor, properties)
    if inside is not None:
        return await _inside(tx, kind, inside, whole, spot)
    trait = await _missing_trait(tx, kind, whole)
    if trait is not None:
        return trait
    if await choosing.look(tx, whole, limit=1):
        return await _narrowed(tx, whole, spot)
    return await _full(tx, whole, "host")


async def _inside(tx: Tx, kind: Kind, inside: Wanted, whole: Want, spot: Spot) -> str:
    whole = msgspec.structs.replace(whole, required=whole.required | places.required(inside.ask))
    what = f"No host offers {' and '.join(asks.said(inside.flavor, inside.properties))}"
    if (trait := await _missing_trait(tx, kind, whole)) is not None:
        return f"{what}: {trait}"
    if not await choosing.look(tx, whole, limit=1):
        return f"{what}: {await _full(tx, whole, 'host')}"
    if not await places.is_borne(tx, whole, inside):
        return f"{what}: where there is room for it, its CPUs and memory do not fit into the nodes that have them."
    only, excluded = await narrowed(tx, spot)
    if not await places.is_borne(tx, msgspec.structs.replace(whole, only=only, excluded=excluded), inside):
        return f"{what} where it may run by its zone, its hints and its group."
    return "All hosts that have room are switched off or do not answer."


async def _missing_trait(tx: Tx, kind: Kind, whole: Want) -> str | None:
    kinds = hosts.kind_trait(kind)
    for trait in (kinds, *sorted(whole.required - {kinds})):
        if await tx.row("SELECT 1 FROM provider_traits WHERE trait = ? LIMIT 1", trait) is None:
            return f"No host runs a {kind}." if trait == kinds else f"No host has the trait {trait}."
    return None


async def _narrowed(tx: Tx, whole: Want, spot: Spot) -> str:
    """There is room, but not where it may go."""
    allowed = msgspec.structs.replace(whole, only=spot.only, excluded=spot.excluded)
    if not await choosing.look(tx, allowed, limit=1):
        if spot.only is None and not spot.excluded:
            return "All hosts that have room are switched off or do not answer."
        wishes = [f"zone {spot.zone}"] if spot.zone is not None else []
        wishes += [f"the hint {name}" for name in spot.hints]
        wishes += ["the host that was named"] if spot.named else []
        what = " and ".join(wishes) or "the wish where to go"
        return f"Where {what} allows it to run: {await _full(tx, allowed, 'host there')}"
    if spot.group is not None:
        only, excluded = await narrowed(tx, spot)
        grouped = msgspec.structs.replace(whole, only=only, excluded=excluded)
        if not await choosing.look(tx, grouped, limit=1):
            return f"The policy {spot.group.policy} of server group {spot.group.id} leaves it no host."
    return "All hosts that have room are switched off or do not answer."


async def _full(tx: Tx, want: Want, where: str) -> str:
    for name, amount in sorted(want.resources.items()):
        alone = msgspec.structs.replace(want, resources={name: amount})
        if not await choosing.look(tx, alone, limit=1):
            return f"No {where} has {amount} {_UNITS.get(name, 'of ' + name)} free."
    amounts = ", ".join(f"{amount} {_UNITS.get(name, name)}" for name, amount in sorted(want.resources.items()))
    return f"No {where} has all of it free at once: {amounts}."
