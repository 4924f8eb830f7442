"""Allocations: claims as placement's clients see and set them, and what they add up to.

They are the same rows that our own placing writes, changed by the same conditional statements, so the two
together cannot exceed a provider.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from trivet.domain.placement import claims, inventories, providers, resource_classes
from trivet.domain.placement.claims import Allocations, Consumer
from trivet.domain.placement.inventories import Inventory
from trivet.domain.placement.providers import Provider
from trivet.errors import Conflict, Invalid, TrivetError
from trivet.store.tx import Tx
from trivet.store.where import Where

UNKNOWN = "unknown"
"""The type of a consumer that nobody gave one."""


class Holder(msgspec.Struct, frozen=True):
    id: str
    generation: int
    project_id: str
    user_id: str
    type: str | None
    updated_at: float


class Held(msgspec.Struct):
    """What is held at one provider, or by one consumer; `generation` is the other side's."""

    generation: int
    resources: dict[str, int]


async def holder(tx: Tx, consumer_id: str) -> Holder | None:
    row = await tx.row(
        "SELECT id, generation, project_id, user_id, type, updated_at FROM consumers WHERE id = ?", consumer_id
    )
    return Holder(*row) if row is not None else None


async def of_consumer(tx: Tx, consumer_id: str) -> dict[str, Held]:
    """The allocations of a consumer by provider, the oldest first."""
    return _gathered(
        await tx.rows(
            "SELECT c.provider_id, p.generation, c.class, c.used FROM claims c"
            " JOIN providers p ON p.id = c.provider_id WHERE c.consumer_id = ?"
            " ORDER BY p.created_at, p.id, c.class",
            consumer_id,
        )
    )


async def of_provider(tx: Tx, provider_id: str) -> dict[str, Held]:
    """The allocations on a provider by consumer."""
    return _gathered(
        await tx.rows(
            "SELECT c.consumer_id, o.generation, c.class, c.used FROM claims c"
            " JOIN consumers o ON o.id = c.consumer_id WHERE c.provider_id = ?",
            provider_id,
        )
    )


def _gathered(rows: Iterable[Any]) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for id, generation, name, used in rows:
        if id not in found:
            found[id] = Held(generation, {})
        found[id].resources[name] = used
    return found


async def put(tx: Tx, wanted: list[tuple[Consumer, Allocations]], known: dict[str, int | None]) -> None:
    """Each consumer holds exactly this from now on, all of them or none."""
    if not await claims.replace(tx, wanted, known):
        raise await _why_not(tx, wanted)


async def reshape(
    tx: Tx,
    inventories_of: list[tuple[Provider, dict[str, Inventory]]],
    wanted: list[tuple[Consumer, Allocations]],
    known: dict[str, int | None],
) -> None:
    """New inventories come first, allocations move, and only then do old inventories go; all of it or nothing.

    Consumers are taken hold of before all providers that are touched, as for every claim.
    """
    begun = await claims.begin_replacing(tx, wanted, known)
    await providers.hold(tx, {provider.id for provider, _ in inventories_of} | begun.changes.keys())
    for provider, kept in inventories_of:
        await providers.move_on(tx, provider, by=1 if kept else 0)
        await inventories.write(tx, provider.id, kept)
    if not await claims.end_replacing(tx, begun):
        raise await _why_not(tx, wanted)
    for provider, kept in inventories_of:
        has = set(await inventories.of_provider(tx, provider.id))
        await inventories.remove(tx, provider.id, has - set(kept))
        await providers.move_on(tx, await providers.need(tx, provider.id))


async def _why_not(tx: Tx, wanted: list[tuple[Consumer, Allocations]]) -> TrivetError:
    """Says why a claim failed: the first thing that stands in its way."""
    ids = {id for _, allocations in wanted for id in allocations}
    absent = ids - set(await providers.some(tx, sorted(ids)))
    if absent:
        return Invalid("provider.absent", f"Allocation for resource provider '{min(absent)}' that does not exist.")
    names = {name for _, allocations in wanted for amounts in allocations.values() for name in amounts}
    unknown = await resource_classes.missing(tx, names)
    if unknown:
        return Invalid(
            "resource_class.absent",
            f"Unable to allocate inventory: No such resource class {', '.join(sorted(unknown))}.",
        )
    each = (
        (provider_id, name, amount)
        for _, allocations in wanted
        for provider_id, amounts in sorted(allocations.items())
        for name, amount in sorted(amounts.items())
    )
    for provider_id, name, amount in each:
        row = await tx.row(
            "SELECT min_unit, max_unit, step_size FROM inventories WHERE provider_id = ? AND class = ?",
            provider_id,
            name,
        )
        where = f"'{name}' on resource provider '{provider_id}'"
        if row is None:
            return _no_room(f"Inventory for {where} invalid. There is none.")
        if amount < row[0] or amount > row[1] or amount % row[2]:
            return _no_room(
                f"Unable to create allocation for {where}. The requested amount would violate inventory constraints."
            )
    return _no_room(
        "Unable to create allocation for what was asked. The requested amount would exceed the capacity of a provider."
    )


def _no_room(why: str) -> Conflict:
    return Conflict("claim.no_room", f"Unable to allocate inventory: {why}")


async def usages(tx: Tx, project_id: str, user_id: str | None) -> dict[str, int]:
    """Sums by class."""
    where = _of(project_id, user_id)
    rows = await tx.rows(
        f"SELECT c.class, SUM(c.used) FROM claims c JOIN consumers o ON o.id = c.consumer_id{where.sql}"
        " GROUP BY c.class ORDER BY c.class",
        *where.values,
    )
    return {str(row[0]): int(row[1]) for row in rows}


async def usages_by_type(tx: Tx, project_id: str, user_id: str | None, type: str | None) -> dict[str, dict[str, int]]:
    """Sums by type and class, with the number of consumers; `all` does not tell types apart."""
    where = _of(project_id, user_id)
    if type == UNKNOWN:
        where.equal("o.type", None)
    elif type not in (None, "all"):
        where.equal("o.type", type)
    found: dict[str, dict[str, int]] = {}
    column = "'all'" if type == "all" else f"COALESCE(o.type, '{UNKNOWN}')"
    for kind, count in await tx.rows(
        f"SELECT {column}, COUNT(*) FROM consumers o{where.sql} GROUP BY 1", *where.values
    ):
        found[kind] = {"consumer_count": int(count)}
    for kind, name, used in await tx.rows(
        f"SELECT {column}, c.class, SUM(c.used) FROM claims c JOIN consumers o ON o.id = c.consumer_id{where.sql}"
        " GROUP BY 1, 2",
        *where.values,
    ):
        found[kind][name] = int(used)
    return found


def _of(project_id: str, user_id: str | None) -> Where:
    where = Where().equal("o.project_id", project_id)
    return where if user_id is None else where.equal("o.user_id", user_id)
