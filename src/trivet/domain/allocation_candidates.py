"""Allocation candidates: ways in which a request for resources could be met right now.

They are proposals; only the claim decides. Where no trees of providers and no shared ones exist, one
provider gives everything and one query finds it; else see candidate_trees.py.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trivet.domain import candidate_trees
from trivet.domain.candidate_trees import Ask, Candidate, Group
from trivet.domain.providers import linked
from trivet.domain.traits import SHARES
from trivet.store import claims
from trivet.store.tx import Tx
from trivet.store.where import Where

__all__ = ["Ask", "Candidate", "Group", "Summary", "Usage", "search"]

_CHUNK = 256


class Usage(msgspec.Struct, frozen=True, gc=False):
    """There may be thousands of them in one reply: they are kept out of the garbage collector's way."""

    capacity: int
    used: int


class Summary(msgspec.Struct):
    """A provider in a tree that takes part in some candidate."""

    id: str
    parent_id: str | None
    root_id: str
    resources: dict[str, Usage]
    traits: list[str]


async def search(tx: Tx, ask: Ask) -> tuple[list[Candidate], list[Summary]]:
    nested, shared = await _world(tx)
    if len(ask.groups) == 1 and not nested and not shared:
        candidates = await _of_single_providers(tx, ask, next(iter(ask.groups)))
    else:
        candidates = await candidate_trees.search(tx, ask)
    used = {id for candidate in candidates for id in candidate.allocations}
    if not used:
        return candidates, []
    summaries = await _summaries(tx, used) if not nested else await _tree_summaries(tx, used)
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


async def _of_single_providers(tx: Tx, ask: Ask, group: Group) -> list[Candidate]:
    scarce = await claims.scarcest(tx, group.resources)
    if scarce is None:
        return []
    where = Where()
    claims.with_room(where, group.resources, scarce)
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
        f"SELECT i.provider_id, i.free FROM inventories i{where.sql} ORDER BY i.free DESC LIMIT {int(limit)}",
        *where.values,
    )
    amounts = group.resources
    return [
        Candidate(allocations={id: amounts}, mappings={group.suffix: [id]})
        for id in claims.shuffled(tx, rows, 4 * amounts[scarce])
    ]


async def _summaries(tx: Tx, ids: Iterable[str]) -> list[Summary]:
    """Of providers that are trees by themselves."""
    found = {id: Summary(id, None, id, {}, []) for id in ids}
    await _fill(tx, found, "provider_id", list(found))
    return list(found.values())


async def _tree_summaries(tx: Tx, ids: Iterable[str]) -> list[Summary]:
    """Of all providers in the trees of these."""
    roots = {str(row[0]) for row in await _chunked(tx, "SELECT root_id FROM providers WHERE id IN", list(ids))}
    rows = await _chunked(tx, "SELECT id, parent_id, root_id FROM providers WHERE root_id IN", list(roots))
    found = {str(row[0]): Summary(str(row[0]), row[1], str(row[2]), {}, []) for row in rows}
    await _fill(tx, found, "provider_id", list(found))
    return list(found.values())


async def _fill(tx: Tx, found: dict[str, Summary], column: str, ids: list[str]) -> None:
    for id, name, capacity, used in await _chunked(
        tx, f"SELECT provider_id, class, capacity, used FROM inventories WHERE {column} IN", ids
    ):
        found[id].resources[name] = Usage(capacity, used)
    for id, trait in await _chunked(tx, f"SELECT provider_id, trait FROM provider_traits WHERE {column} IN", ids):
        found[id].traits.append(trait)


async def _chunked(tx: Tx, sql: str, ids: list[str]) -> Sequence[Sequence[Any]]:
    """Queries of few different lengths, so that both databases know them already."""
    found: list[Sequence[Any]] = []
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        size = 1
        while size < len(some):
            size *= 2
        some += some[-1:] * (size - len(some))
        found += await tx.rows(f"{sql} ({', '.join('?' * size)})", *some)
    return found
