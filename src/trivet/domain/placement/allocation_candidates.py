"""Allocation candidates: ways in which a request for resources could be met right now.

They are proposals; only the claim decides. Where no trees of providers and no shared ones exist, one provider gives
everything: who wants many of them is told from what the process remembers, who wants few of many by one query that
walks an index. Otherwise see candidate_trees.py.
"""

from operator import itemgetter

import msgspec

from trivet.domain.placement import candidate_trees, choosing, provider_summaries
from trivet.domain.placement.candidate_trees import Ask, Candidate, Group
from trivet.domain.placement.provider_summaries import KEPT_MAX, Known, KnownProviders, Need, Summary
from trivet.domain.placement.providers import linked
from trivet.domain.placement.traits import SHARES
from trivet.store.tx import Tx
from trivet.store.where import Where

_NEAR_TIMES = 4
"""Two providers that could meet a request nearly equally often are equally good."""
_ALL_OVER_SOME = 10
"""A look at one provider's generation costs about a tenth of asking the database whether that one has room."""


class Alone(msgspec.Struct, frozen=True):
    """Each of these gives all that is wanted."""

    suffix: str
    amounts: dict[str, int]
    providers: list[Known]


class Together(msgspec.Struct, frozen=True):
    candidates: list[Candidate]
    summaries: list[Summary]
    """The summaries of all providers that take part in a candidate, or are in the tree of one that does."""


async def search(tx: Tx, ask: Ask, known: KnownProviders) -> Alone | Together:
    nested, shared = await _world(tx)
    if len(ask.groups) == 1 and not nested and not shared:
        (group,) = ask.groups
        return Alone(group.suffix, group.resources, await _of_single_providers(tx, ask, group, known))
    candidates = await candidate_trees.search(tx, ask)
    used = {id for candidate in candidates for id in candidate.allocations}
    summaries = await (provider_summaries.of_trees if nested else provider_summaries.of_single)(tx, used)
    if not ask.nested_aware:
        summaries = [summary for summary in summaries if summary.id in used]
    return Together(candidates, summaries)


async def _world(tx: Tx) -> tuple[bool, bool]:
    row = await tx.row(
        "SELECT (SELECT id FROM providers WHERE parent_id IS NOT NULL LIMIT 1),"
        " (SELECT provider_id FROM provider_traits WHERE trait = ? LIMIT 1)",
        SHARES,
    )
    assert row is not None
    return row[0] is not None, row[1] is not None


async def _of_single_providers(tx: Tx, ask: Ask, group: Group, known: KnownProviders) -> list[Known]:
    limit = ask.limit or candidate_trees.MOST
    need = Need(
        group.resources,
        group.required + tuple(frozenset((trait,)) for trait in sorted(ask.root_required)),
        group.forbidden | ask.root_forbidden,
    )
    elsewhere = group.member_of or group.outside or group.in_tree is not None
    if elsewhere or known.count > min(KEPT_MAX, _ALL_OVER_SOME * limit):
        return await _asked_for(tx, group, need, known, limit)
    found = await known.all_with(tx, need)
    found.sort(key=itemgetter(1), reverse=True)
    return choosing.shuffled(tx, found[:limit], _NEAR_TIMES)


async def _asked_for(tx: Tx, group: Group, need: Need, known: KnownProviders, limit: int) -> list[Known]:
    scarce = await choosing.scarcest(tx, group.resources)
    if scarce is None:
        return []
    where = Where()
    choosing.with_room(where, group.resources, scarce)
    linked(
        where,
        "i.provider_id",
        required=need.required,
        forbidden=need.forbidden,
        member_of=group.member_of,
        outside=group.outside,
    )
    if group.in_tree is not None:
        where.equal("i.provider_id", group.in_tree)
    rows = await tx.rows(
        "SELECT i.provider_id, i.free, p.generation, p.created_at FROM inventories i"
        f" JOIN providers p ON p.id = i.provider_id{where.sql} ORDER BY i.free DESC LIMIT {int(limit)}",
        *where.values,
    )
    found = await known.some(tx, {id: (generation, created_at) for id, _, generation, created_at in rows})
    frees = [int(row[1]) for row in rows]
    return choosing.shuffled(tx, list(zip(found, frees, strict=True)), _NEAR_TIMES * group.resources[scarce])
