"""Supply: what a host of ours gives to placement: a provider of its own id, with totals, traits and aggregates.

Placement's clients say the same of any provider through its API (providers.py, inventories.py, traits.py).
"""

import math
from collections.abc import Mapping

from trivet.domain.placement import claims
from trivet.store.tx import Tx


async def begin(tx: Tx, id: str, name: str, created_at: float, updated_at: float) -> None:
    await tx.run(
        "INSERT INTO providers (id, name, parent_id, root_id, generation, created_at, updated_at)"
        " VALUES (?, ?, NULL, ?, 0, ?, ?)",
        id,
        name,
        id,
        created_at,
        updated_at,
    )


async def set_totals(tx: Tx, provider_id: str, totals: Mapping[str, int], ratios: Mapping[str, float]) -> None:
    rows = await tx.rows("SELECT class, total FROM inventories WHERE provider_id = ?", provider_id)
    has = {str(row[0]): int(row[1]) for row in rows}
    changed = [name for name, total in totals.items() if total != has.get(name, 0)]
    if changed:
        await claims.hold(tx, provider_id)
    for name in sorted(changed):
        if name.startswith("CUSTOM_"):
            await tx.run("INSERT INTO custom_classes VALUES (?, ?) ON CONFLICT DO NOTHING", name, tx.clock.now())
        await _set_total(tx, provider_id, name, totals[name], ratios[name])


async def _set_total(tx: Tx, provider_id: str, name: str, total: int, ratio: float) -> None:
    """The ratio is only a start: an operator's own, set through placement, stays. The provider is held, so what is
    read here is not changed by others before it is written."""
    row = await tx.row(
        "SELECT reserved, allocation_ratio FROM inventories WHERE provider_id = ? AND class = ?", provider_id, name
    )
    if row is None:
        capacity = math.floor(total * ratio)
        await tx.run(
            "INSERT INTO inventories (provider_id, class, total, reserved, min_unit, max_unit, step_size,"
            " allocation_ratio, capacity, used, free) VALUES (?, ?, ?, 0, 1, ?, 1, ?, ?, 0, ?)",
            provider_id,
            name,
            total,
            total,
            ratio,
            capacity,
            capacity,
        )
    else:
        capacity = math.floor((total - int(row[0])) * float(row[1]))
        await tx.run(
            "UPDATE inventories SET total = ?, max_unit = ?, capacity = ?, free = ? - used"
            " WHERE provider_id = ? AND class = ?",
            total,
            max(total, 1),
            capacity,
            capacity,
            provider_id,
            name,
        )


async def traits_of(tx: Tx, provider_id: str) -> set[str]:
    rows = await tx.rows("SELECT trait FROM provider_traits WHERE provider_id = ?", provider_id)
    return {str(row[0]) for row in rows}


async def set_traits(tx: Tx, provider_id: str, has: set[str], wanted: set[str]) -> None:
    if wanted == has:
        return
    await claims.hold(tx, provider_id)
    for trait in sorted(wanted - has):
        if trait.startswith("CUSTOM_"):
            await tx.run("INSERT INTO custom_traits VALUES (?, ?) ON CONFLICT DO NOTHING", trait, tx.clock.now())
        await tx.run("INSERT INTO provider_traits VALUES (?, ?) ON CONFLICT DO NOTHING", provider_id, trait)
    for trait in sorted(has - wanted):
        await tx.run("DELETE FROM provider_traits WHERE provider_id = ? AND trait = ?", provider_id, trait)


async def join(tx: Tx, provider_id: str, aggregate_id: str) -> None:
    await claims.hold(tx, provider_id)
    await tx.run("INSERT INTO provider_aggregates VALUES (?, ?) ON CONFLICT DO NOTHING", provider_id, aggregate_id)


async def leave(tx: Tx, provider_id: str, aggregate_id: str) -> None:
    await claims.hold(tx, provider_id)
    await tx.run(
        "DELETE FROM provider_aggregates WHERE provider_id = ? AND aggregate_id = ?", provider_id, aggregate_id
    )


async def end(tx: Tx, provider_id: str) -> None:
    """Ends the inventory of a provider that is locked and of which nothing is claimed."""
    for table in ("inventories", "provider_traits", "provider_aggregates"):
        await tx.run(f"DELETE FROM {table} WHERE provider_id = ?", provider_id)
    await tx.run("DELETE FROM providers WHERE id = ?", provider_id)
