"""Choosing: which provider a consumer shall take its capacity from.

What is seen here only proposes where to try, since others claim meanwhile; the claim decides (claims.py), and
losing there means trying the next.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from trivet.domain.placement.claims import FITS, Consumer, take
from trivet.store.tx import Tx
from trivet.store.where import Where

T = TypeVar("T")

_BEST_FEW = 8
_SHUFFLED_MAX = 64
_SIZE = ", ".join(
    f"(SELECT MAX(total) FROM inventories WHERE provider_id = i.provider_id AND class = '{name}')"
    for name in ("MEMORY_MB", "VCPU", "DISK_GB")
)


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider must have to be chosen."""

    resources: dict[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()
    spread: bool = True
    """The emptiest first; otherwise the fullest that has room."""
    snug: bool = False
    """The smallest that fits first: it is taken whole."""


async def place(tx: Tx, consumer: Consumer, want: Want) -> str | None:
    """Choose a root provider with room and claim there. None only when a fresh look finds nobody with room."""
    while True:
        found = await look(tx, want)
        if not found:
            return None
        for provider_id in found:
            if await take(tx, consumer, {provider_id: want.resources}):
                return provider_id


async def look(tx: Tx, want: Want, limit: int = _BEST_FEW) -> list[str]:
    """Some root providers with room, the best first. Those that are about equally good come in a random order,
    or else all claimants would queue on one row."""
    scarce = await scarcest(tx, want.resources)
    if scarce is None:
        return []
    where = Where()
    with_room(where, want.resources, scarce)
    _narrow(where, want)
    order = _SIZE if want.snug else f"i.free {'DESC' if want.spread else 'ASC'}"
    rows = await tx.rows(
        f"SELECT i.provider_id, i.free FROM inventories i{where.sql} ORDER BY {order} LIMIT {int(limit)}", *where.values
    )
    found = [(str(id), int(free)) for id, free in rows]
    if want.snug:
        return [id for id, _ in found]
    return shuffled(tx, found, 4 * want.resources[scarce]) if want.spread else [id for id, _ in found]


async def scarcest(tx: Tx, resources: dict[str, int]) -> str | None:
    """The class of which even the emptiest provider holds the fewest times what is wanted; None if one lacks all room.

    Walking that class's index meets the providers with room in few steps, however many providers there are.
    """
    names = sorted(resources)
    if not names:
        return None
    row = await tx.row(
        "SELECT " + ", ".join("(SELECT MAX(free) FROM inventories WHERE class = ?)" for _ in names), *names
    )
    assert row is not None
    times = [(row[n] or 0) / resources[name] for n, name in enumerate(names)]
    least = min(times)
    return names[times.index(least)] if least >= 1 else None


def with_room(where: Where, resources: dict[str, int], scarce: str) -> None:
    """Conditions on `inventories i`, the row of the scarce class, that its provider has room for all of it.

    They are counted, not asked by EXISTS: PostgreSQL would plan a join, and a poor one where it has no statistics
    yet; such a subquery leaves it no choice but to walk the index and look each provider up.
    """
    amount = resources[scarce]
    where.add("i.class = ? AND i.free >= ?", scarce, amount).add(FITS, amount, amount, amount)
    others = sorted((name, wanted) for name, wanted in resources.items() if name != scarce)
    if others:
        each = " OR ".join([f"(class = ? AND free >= ? AND {FITS})"] * len(others))
        where.add(
            f"(SELECT COUNT(*) FROM inventories WHERE provider_id = i.provider_id AND ({each})) = {len(others)}",
            *(value for name, wanted in others for value in (name, wanted, wanted, wanted, wanted)),
        )


def _narrow(where: Where, want: Want) -> None:
    where.add("(SELECT 1 FROM providers WHERE id = i.provider_id AND parent_id IS NULL LIMIT 1) = 1")
    for trait in sorted(want.required):
        where.add("(SELECT 1 FROM provider_traits WHERE provider_id = i.provider_id AND trait = ? LIMIT 1) = 1", trait)
    if want.forbidden:
        inner = Where().any_of("trait", sorted(want.forbidden))
        where.add(
            f"(SELECT 1 FROM provider_traits{inner.sql} AND provider_id = i.provider_id LIMIT 1) IS NULL", *inner.values
        )
    if want.only is not None:
        where.any_of("i.provider_id", sorted(want.only))
    where.none_of("i.provider_id", sorted(want.excluded))


def shuffled(tx: Tx, found: Sequence[tuple[T, int]], band: int) -> list[T]:
    """Providers within `band` of the emptiest one in random order, then the others in the order they came in."""
    if not found:
        return []
    edge = found[0][1] - band
    near = [one for one, free in found if free >= edge]
    far = [one for one, _ in found[len(near) :]]
    if len(near) > _SHUFFLED_MAX:
        # To begin anywhere keeps claimants apart as well, and costs nothing however long the list is.
        first = tx.ids.choice_below(len(near))
        return near[first:] + near[:first] + far
    for n in range(len(near) - 1, 0, -1):
        other = tx.ids.choice_below(n + 1)
        near[n], near[other] = near[other], near[n]
    return near + far
