"""Candidates in trees: requests that several providers of one tree, or shared ones, may meet together.

Each group of a request is offered what it may take within one tree (its anchor). A candidate is one offer
for every group, all of the same anchor, that the rules between groups allow.
"""

import itertools
from collections.abc import Iterator

import msgspec

from trivet.domain.placement.traits import SHARES
from trivet.store.tx import Tx
from trivet.store.where import Where

MOST = 10_000
"""The most candidates that are made; a hundred times as many combinations are tried."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of one provider (with a suffix), or of one tree together (without)."""

    suffix: str = ""
    resources: dict[str, int] = {}
    required: tuple[frozenset[str], ...] = ()
    """At least one trait of each set."""
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[str], ...] = ()
    """The provider is in at least one aggregate of each set."""
    outside: frozenset[str] = frozenset()
    in_tree: str | None = None


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    groups: tuple[Group, ...]
    isolate: bool = False
    """Groups with a suffix take different providers."""
    limit: int | None = None
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    same_subtrees: tuple[frozenset[str], ...] = ()
    nested_aware: bool = True
    """The client can read candidates of several providers in one tree."""


class Candidate(msgspec.Struct, frozen=True, gc=False):
    allocations: dict[str, dict[str, int]]
    mappings: dict[str, list[str]]
    """suffix -> the providers that serve that group"""


class Room(msgspec.Struct, frozen=True):
    free: int
    max_unit: int


Offer = tuple[tuple[str, str, int], ...]
"""(provider, class, amount) for each class; a group without resources has one of no class."""


class _World:
    """What of all providers matters to one request."""

    def __init__(self) -> None:
        self.root_of: dict[str, str] = {}
        self.parent_of: dict[str, str | None] = {}
        self.traits: dict[str, set[str]] = {}
        self.aggregates: dict[str, set[str]] = {}
        self.anchors: dict[str, set[str]] = {}
        """sharing provider -> roots of the trees that it serves"""
        self.room: dict[tuple[str, str], Room] = {}
        self.roots: set[str] | None = None
        """Roots that may be anchors; None is any."""

    def may_anchor(self, root_id: str) -> bool:
        return self.roots is None or root_id in self.roots

    def in_aggregates(self, id: str, groups: tuple[frozenset[str], ...]) -> bool:
        has = self.aggregates.get(id, set())
        return all(group & has for group in groups)

    def has_traits(self, ids: set[str], group: Group) -> bool:
        """Together all that is required, and none of them what is forbidden."""
        has: set[str] = set()
        for id in ids:
            has |= self.traits.get(id, set())
        return not (has & group.forbidden) and all(some & has for some in group.required)


async def search(tx: Tx, ask: Ask) -> list[Candidate]:
    world = await _load(tx, ask)
    by_anchor: dict[str, dict[str, list[Offer]]] = {}
    for group in ask.groups:
        tree_root: str | None = None
        if group.in_tree is not None:
            tree_root = world.root_of.get(group.in_tree)
            if tree_root is None:
                return []
        having = await _having(tx, world, group, tree_root)
        offers = (
            _granular(world, group, having, tree_root) if group.suffix else _together(world, group, having, tree_root)
        )
        any_offer = False
        for anchor, offer in offers:
            by_anchor.setdefault(anchor, {}).setdefault(group.suffix, []).append(offer)
            any_offer = True
        if not any_offer:
            return []
    return list(_merged(world, ask, by_anchor))


# -- what there is


async def _load(tx: Tx, ask: Ask) -> _World:
    world = _World()
    for id, parent_id, root_id in await tx.rows("SELECT id, parent_id, root_id FROM providers"):
        world.root_of[id] = root_id
        world.parent_of[id] = parent_id
    named = {SHARES} | ask.root_required | ask.root_forbidden
    aggregates: set[str] = set()
    for group in ask.groups:
        named |= group.forbidden.union(*group.required)
        aggregates |= group.outside.union(*group.member_of)
    where = Where().any_of("trait", sorted(named))
    for id, trait in await tx.rows(f"SELECT provider_id, trait FROM provider_traits{where.sql}", *where.values):
        world.traits.setdefault(id, set()).add(trait)
    if aggregates:
        where = Where().any_of("aggregate_id", sorted(aggregates))
        rows = await tx.rows(f"SELECT provider_id, aggregate_id FROM provider_aggregates{where.sql}", *where.values)
        for id, aggregate_id in rows:
            world.aggregates.setdefault(id, set()).add(aggregate_id)
    for id, anchor in await tx.rows(
        "SELECT DISTINCT s.provider_id, p.root_id FROM provider_traits t"
        " JOIN provider_aggregates s ON s.provider_id = t.provider_id"
        " JOIN provider_aggregates o ON o.aggregate_id = s.aggregate_id"
        " JOIN providers p ON p.id = o.provider_id WHERE t.trait = ?",
        SHARES,
    ):
        world.anchors.setdefault(id, set()).add(anchor)
    if ask.root_required or ask.root_forbidden:
        world.roots = {
            root
            for root in set(world.root_of.values())
            if ask.root_required <= world.traits.get(root, set())
            and not ask.root_forbidden & world.traits.get(root, set())
        }
    return world


async def _having(tx: Tx, world: _World, group: Group, tree_root: str | None) -> dict[str, list[str]]:
    """Providers with room, by class."""
    found: dict[str, list[str]] = {}
    for name, amount in sorted(group.resources.items()):
        where = Where().add(
            "class = ? AND free >= ? AND min_unit <= ? AND max_unit >= ? AND ? % step_size = 0",
            name,
            amount,
            amount,
            amount,
            amount,
        )
        ids = found[name] = []
        for id, free, max_unit in await tx.rows(
            f"SELECT provider_id, free, max_unit FROM inventories{where.sql} ORDER BY free DESC", *where.values
        ):
            if tree_root is None or world.root_of[id] == tree_root:
                ids.append(id)
                world.room[id, name] = Room(free, max_unit)
    return found


# -- what each group may take


def _granular(
    world: _World, group: Group, having: dict[str, list[str]], tree_root: str | None
) -> Iterator[tuple[str, Offer]]:
    """One provider gives all, alone."""
    if having:
        first, *others = (dict.fromkeys(ids) for ids in having.values())
        ids = [id for id in first if all(id in other for other in others)]
    else:
        ids = [id for id, root in world.root_of.items() if tree_root is None or root == tree_root]
    for id in ids:
        if not (world.has_traits({id}, group) and world.in_aggregates(id, group.member_of)):
            continue
        if group.outside & world.aggregates.get(id, set()):
            continue
        offer: Offer = tuple((id, name, amount) for name, amount in sorted(group.resources.items())) or ((id, "", 0),)
        root = world.root_of[id]
        for anchor in {root} | (world.anchors.get(id, set())):
            if world.may_anchor(anchor):
                yield anchor, offer


def _together(
    world: _World, group: Group, having: dict[str, list[str]], tree_root: str | None
) -> Iterator[tuple[str, Offer]]:
    """The providers of one tree, and shared ones that serve it, give all of it together."""
    by_root: dict[str, dict[str, list[str]]] = {}
    for name, ids in having.items():
        for id in ids:
            anchors = {world.root_of[id]}
            if tree_root is None and world.in_aggregates(id, group.member_of):
                anchors |= world.anchors.get(id, set())
            for anchor in anchors:
                if world.may_anchor(anchor) and _tree_allowed(world, group, id, anchor):
                    by_root.setdefault(anchor, {}).setdefault(name, []).append(id)
    for anchor, by_class in by_root.items():
        if len(by_class) < len(having):
            continue
        names = sorted(by_class)
        for ids_chosen in itertools.product(*(by_class[name] for name in names)):
            if world.has_traits(set(ids_chosen), group):
                yield (
                    anchor,
                    tuple((id, name, group.resources[name]) for id, name in zip(ids_chosen, names, strict=True)),
                )


def _tree_allowed(world: _World, group: Group, id: str, anchor: str) -> bool:
    """An aggregate on the root spans the whole tree."""
    if group.outside & (world.aggregates.get(id, set()) | world.aggregates.get(anchor, set())):
        return False
    return world.in_aggregates(id, group.member_of) or world.in_aggregates(anchor, group.member_of)


# -- one offer for each group


def _merged(world: _World, ask: Ask, by_anchor: dict[str, dict[str, list[Offer]]]) -> Iterator[Candidate]:
    seen: set[object] = set()
    tries = 0
    most = min(ask.limit or MOST, MOST)
    for offers in by_anchor.values():
        if len(offers) < len(ask.groups):
            continue
        for chosen in itertools.product(*(offers[group.suffix] for group in ask.groups)):
            tries += 1
            if tries > 100 * MOST:
                return
            candidate = _combined(world, ask, chosen)
            if candidate is None:
                continue
            key = (
                frozenset((id, *sorted(amounts.items())) for id, amounts in candidate.allocations.items()),
                tuple((suffix, tuple(ids)) for suffix, ids in candidate.mappings.items()),
            )
            if key not in seen:
                seen.add(key)
                yield candidate
                if len(seen) >= most:
                    return


def _combined(world: _World, ask: Ask, chosen: tuple[Offer, ...]) -> Candidate | None:
    """The candidate, unless the groups get in each other's way."""
    allocations: dict[str, dict[str, int]] = {}
    mappings: dict[str, list[str]] = {}
    for group, offer in zip(ask.groups, chosen, strict=True):
        for id, name, amount in offer:
            if not amount:
                continue
            amounts = allocations.setdefault(id, {})
            amounts[name] = amounts.get(name, 0) + amount
            room = world.room[id, name]
            if amounts[name] > room.free or amounts[name] > room.max_unit:
                return None
        mappings[group.suffix] = sorted({id for id, _, _ in offer})
    if ask.isolate:
        alone = [mappings[group.suffix][0] for group in ask.groups if group.suffix]
        if len(alone) != len(set(alone)):
            return None
    if not all(_in_one_subtree(world, mappings, suffixes) for suffixes in ask.same_subtrees):
        return None
    if not ask.nested_aware and len({world.root_of[id] for id in allocations}) < len(allocations):
        return None
    return Candidate(allocations, mappings)


def _in_one_subtree(world: _World, mappings: dict[str, list[str]], suffixes: frozenset[str]) -> bool:
    """Whether one of the providers is above all others (or is the only one)."""
    ids = {id for suffix in suffixes for id in mappings.get(suffix, ())}
    return not ids or bool(ids.intersection(*(_upwards(world, id) for id in ids)))


def _upwards(world: _World, id: str) -> set[str]:
    found = {id}
    above = world.parent_of[id]
    while above is not None:
        found.add(above)
        above = world.parent_of[above]
    return found
