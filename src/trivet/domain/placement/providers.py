"""Providers: whoever can give capacity. They form trees; the root of a host's tree is the host itself.

A provider's generation counts every change of what it has or gives. A client sends the one it knows, and
its change is refused if somebody was faster.
"""

from collections.abc import Iterable

import msgspec

from trivet.domain.placement import claims
from trivet.errors import Conflict, Invalid, NotFound, Stale
from trivet.store.tx import Tx
from trivet.store.where import Where

_COLUMNS = "id, name, parent_id, root_id, generation, created_at, updated_at"
_AGAIN = "Please update the generation and try again."


class Provider(msgspec.Struct, frozen=True):
    id: str
    name: str
    parent_id: str | None
    root_id: str
    generation: int
    created_at: float
    updated_at: float


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing may ask of providers."""

    name: str | None = None
    id: str | None = None
    in_tree: str | None = None
    resources: dict[str, int] = {}
    required: tuple[frozenset[str], ...] = ()
    """At least one trait of each set."""
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[str], ...] = ()
    """The provider is in at least one aggregate of each set."""
    outside: frozenset[str] = frozenset()


async def get(tx: Tx, id: str) -> Provider | None:
    row = await tx.row(f"SELECT {_COLUMNS} FROM providers WHERE id = ?", id)
    return Provider(*row) if row is not None else None


async def need(tx: Tx, id: str) -> Provider:
    provider = await get(tx, id)
    if provider is None:
        raise NotFound("provider.absent", f"No resource provider with uuid {id} found")
    return provider


async def some(tx: Tx, ids: list[str]) -> dict[str, Provider]:
    """The providers among `ids` that exist."""
    if not ids:
        return {}
    where = Where().any_of("id", ids)
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM providers{where.sql}", *where.values)
    return {str(row[0]): Provider(*row) for row in rows}


async def create(tx: Tx, id: str, name: str, parent_id: str | None) -> Provider:
    root_id = id
    if parent_id is not None:
        parent = (await _in_held_trees(tx, parent_id)).get(parent_id)
        if parent is None:
            raise Invalid("provider.parent_absent", f"The parent provider {parent_id} does not exist.")
        root_id = parent.root_id
    provider = Provider(id, name, parent_id, root_id, 0, tx.clock.now(), tx.clock.now())
    if not await tx.run(
        f"INSERT INTO providers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        *msgspec.structs.astuple(provider),
    ):
        same = f"uuid: {id}" if await get(tx, id) is not None else f"name: {name}"
        raise Conflict("provider.exists", f"Conflicting resource provider {same} already exists.")
    return provider


async def change(tx: Tx, provider: Provider, name: str, parent_id: str | None, *, may_move: bool) -> Provider:
    """A new name or place in a tree. Only `may_move` lets it leave the parent that it has."""
    if name != provider.name:
        row = await tx.row("SELECT id FROM providers WHERE name = ? AND id <> ?", name, provider.id)
        if row is not None:
            raise Conflict("provider.exists", f"Conflicting resource provider {name} already exists.")
    root_id = provider.root_id
    if parent_id != provider.parent_id:
        root_id = await _new_root(tx, provider, parent_id, may_move=may_move)
    await tx.run(
        "UPDATE providers SET name = ?, parent_id = ?, updated_at = ? WHERE id = ?",
        name,
        parent_id,
        tx.clock.now(),
        provider.id,
    )
    if root_id != provider.root_id:
        for id in await _below(tx, provider):
            await tx.run("UPDATE providers SET root_id = ? WHERE id = ?", root_id, id)
    return await need(tx, provider.id)


async def _new_root(tx: Tx, provider: Provider, parent_id: str | None, *, may_move: bool) -> str:
    if provider.parent_id is not None and not may_move:
        what = "un-parenting" if parent_id is None else "re-parenting"
        raise Invalid("provider.moved", f"Unable to save resource provider {provider.id}: {what} is not allowed.")
    below = await _below(tx, provider)
    held = await _in_held_trees(tx, provider.id, *([parent_id] if parent_id is not None else []), also=below)
    if held.get(provider.id) != provider or await _below(tx, provider) != below:
        raise Stale("providers", provider.id)
    if parent_id is None:
        return provider.id
    parent = held.get(parent_id)
    if parent is None:
        raise Invalid("provider.parent_absent", f"Unable to save: the parent provider {parent_id} does not exist.")
    if parent_id in below:
        raise Invalid("provider.loop", "Unable to save: creating loop in the provider tree is not allowed.")
    return parent.root_id


async def hold(tx: Tx, ids: Iterable[str]) -> None:
    """Nobody else changes them until the commit; it counts as no change yet."""
    for id in sorted(ids):
        await tx.run("UPDATE providers SET generation = generation WHERE id = ?", id)


async def _in_held_trees(tx: Tx, *ids: str, also: Iterable[str] = ()) -> dict[str, Provider]:
    """The providers among `ids` that exist. Their roots are locked, so their trees keep their shape until the
    commit."""
    before = await some(tx, list(ids))
    await hold(tx, {provider.root_id for provider in before.values()}.union(also))
    held = await some(tx, list(ids))
    moved = [id for id, provider in before.items() if id not in held or held[id].root_id != provider.root_id]
    if moved:
        raise Stale("providers", moved[0])
    return held


async def _below(tx: Tx, provider: Provider) -> list[str]:
    """The provider and all under it."""
    rows = await tx.rows("SELECT id, parent_id FROM providers WHERE root_id = ?", provider.root_id)
    found = [provider.id]
    for above in found:
        found.extend(sorted(str(id) for id, parent_id in rows if parent_id == above))
    return found


async def delete(tx: Tx, id: str) -> None:
    await need(tx, id)
    await claims.hold(tx, id)
    if await tx.row("SELECT 1 FROM providers WHERE parent_id = ? LIMIT 1", id) is not None:
        raise Conflict(
            "provider.has_children",
            f"Unable to delete parent resource provider {id}: It has child resource providers.",
        )
    if await tx.row("SELECT 1 FROM claims WHERE provider_id = ? LIMIT 1", id) is not None:
        raise Conflict(
            "provider.in_use", f"Unable to delete resource provider {id}: Resource provider has allocations."
        )
    if await tx.row("SELECT 1 FROM hosts WHERE id = ?", id) is not None:
        raise Conflict("provider.in_use", f"Unable to delete resource provider {id}: it is a host of this cloud.")
    for table in ("inventories", "provider_traits", "provider_aggregates"):
        await tx.run(f"DELETE FROM {table} WHERE provider_id = ?", id)
    await tx.run("DELETE FROM providers WHERE id = ?", id)


async def move_on(tx: Tx, provider: Provider, *, by: int = 1) -> Provider:
    """Count a change, unless somebody else was faster. By 0: only take hold of the provider."""
    now = tx.clock.now()
    if not await tx.run(
        "UPDATE providers SET generation = generation + ?, updated_at = ? WHERE id = ? AND generation = ?",
        by,
        now,
        provider.id,
        provider.generation,
    ):
        raise Conflict("provider.generation", f"resource provider generation conflict for {provider.id}. {_AGAIN}")
    return msgspec.structs.replace(provider, generation=provider.generation + by, updated_at=now)


def check_generation(provider: Provider, known: int) -> None:
    if provider.generation != known:
        raise Conflict(
            "provider.generation",
            f"resource provider generation conflict for provider {provider.id}: actual: {provider.generation},"
            f" given: {known}. {_AGAIN}",
        )


async def find(tx: Tx, wishes: Wishes) -> list[Provider]:
    where = Where()
    if wishes.name is not None:
        where.equal("name", wishes.name)
    if wishes.id is not None:
        where.equal("id", wishes.id)
    if wishes.in_tree is not None:
        where.add("root_id = (SELECT root_id FROM providers WHERE id = ?)", wishes.in_tree)
    for name, amount in sorted(wishes.resources.items()):
        where.add(
            "EXISTS (SELECT 1 FROM inventories WHERE provider_id = providers.id AND class = ? AND free >= ?"
            " AND min_unit <= ? AND max_unit >= ? AND ? % step_size = 0)",
            name,
            amount,
            amount,
            amount,
            amount,
        )
    linked(
        where,
        "providers.id",
        required=wishes.required,
        forbidden=wishes.forbidden,
        member_of=wishes.member_of,
        outside=wishes.outside,
    )
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM providers{where.sql} ORDER BY created_at, id", *where.values)
    return [Provider(*row) for row in rows]


def linked(
    where: Where,
    column: str,
    *,
    required: tuple[frozenset[str], ...],
    forbidden: frozenset[str],
    member_of: tuple[frozenset[str], ...],
    outside: frozenset[str],
) -> None:
    """Conditions on the traits and aggregates of the provider that `column` names (no EXISTS: see choosing.py)."""
    for table, linked_column, groups, never in (
        ("provider_traits", "trait", required, forbidden),
        ("provider_aggregates", "aggregate_id", member_of, outside),
    ):
        for group in groups:
            inner = Where().add(f"provider_id = {column}").any_of(linked_column, sorted(group))
            where.add(f"(SELECT 1 FROM {table}{inner.sql} LIMIT 1) = 1", *inner.values)
        if never:
            inner = Where().add(f"provider_id = {column}").any_of(linked_column, sorted(never))
            where.add(f"(SELECT 1 FROM {table}{inner.sql} LIMIT 1) IS NULL", *inner.values)


async def aggregates_of(tx: Tx, provider_id: str) -> list[str]:
    rows = await tx.rows(
        "SELECT aggregate_id FROM provider_aggregates WHERE provider_id = ? ORDER BY aggregate_id", provider_id
    )
    return [str(row[0]) for row in rows]


async def set_aggregates(tx: Tx, provider_id: str, aggregate_ids: set[str]) -> None:
    """The provider's generation is the caller's to move on."""
    await hold(tx, (provider_id,))
    has = set(await aggregates_of(tx, provider_id))
    for aggregate_id in sorted(has - aggregate_ids):
        await tx.run(
            "DELETE FROM provider_aggregates WHERE provider_id = ? AND aggregate_id = ?", provider_id, aggregate_id
        )
    for aggregate_id in sorted(aggregate_ids - has):
        await tx.run("INSERT INTO provider_aggregates VALUES (?, ?)", provider_id, aggregate_id)
