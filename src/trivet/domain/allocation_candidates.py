"""Allocation candidates: ways in which a request for resources could be met right now.

They are proposals; only the claim decides. Where no trees of providers and no shared ones exist, one
provider gives everything and one query finds it; else see candidate_trees.py.
"""

from trivet.domain import candidate_trees, provider_summaries
from trivet.domain.candidate_trees import Ask, Candidate, Group
from trivet.domain.provider_summaries import KnownProviders, Summary, Version
from trivet.domain.providers import linked
from trivet.domain.traits import SHARES
from trivet.store import choosing
from trivet.store.tx import Tx
from trivet.store.where import Where


async def search(tx: Tx, ask: Ask, known: KnownProviders) -> tuple[list[Candidate], list[Summary]]:
    """The candidates, and all providers that take part in some, or are in the tree of one that does."""
    nested, shared = await _world(tx)
    if len(ask.groups) == 1 and not nested and not shared:
        return await _of_single_providers(tx, ask, next(iter(ask.groups)), known)
    candidates = await candidate_trees.search(tx, ask)
    used = {id for candidate in candidates for id in candidate.allocations}
    summaries = await (provider_summaries.of_trees if nested else provider_summaries.of_single)(tx, used)
    if not ask.nested_aware:
        summaries = [summary for summary in summaries if summary.id in used]
    return candidates, summaries


async def _world(tx: Tx) -> tuple[bool, bool]:
    row = await tx.row(
        "SELECT (SELECT id FROM providers WHERE parent_id IS NOT NULL LIMIT 1),"
        " (SELECT provider_id FROM provider_traits WHERE trait = ? LIMIT 1)",
        SHARES,
    )
    assert row is not None
    return row[0] is not None, row[1] is not None


async def _of_single_providers(
    tx: Tx, ask: Ask, group: Group, known: KnownProviders
) -> tuple[list[Candidate], list[Summary]]:
    scarce = await choosing.scarcest(tx, group.resources)
    if scarce is None:
        return [], []
    where = Where()
    choosing.with_room(where, group.resources, scarce)
    linked(
        where,
        "i.provider_id",
        required=group.required + tuple(frozenset((trait,)) for trait in sorted(ask.root_required)),
        forbidden=group.forbidden | ask.root_forbidden,
        member_of=group.member_of,
        outside=group.outside,
    )
    if group.in_tree is not None:
        where.equal("i.provider_id", group.in_tree)
    limit = ask.limit or candidate_trees.MOST
    rows = await tx.rows(
        "SELECT i.provider_id, i.free, p.generation, p.created_at FROM inventories i"
        f" JOIN providers p ON p.id = i.provider_id{where.sql} ORDER BY i.free DESC LIMIT {int(limit)}",
        *where.values,
    )
    amounts = group.resources
    candidates = [
        Candidate(allocations={id: amounts}, mappings={group.suffix: [id]})
        for id in choosing.shuffled(tx, rows, 4 * amounts[scarce])
    ]
    return candidates, await known.summaries(tx, {id: Version(*version) for id, _, *version in rows})
