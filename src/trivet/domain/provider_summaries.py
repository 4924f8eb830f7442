"""Summaries of providers: what each has in all, what of it is taken, its traits. Remembered by the process.

A provider's generation counts every change of these, claims included. So what was read once stays true while the
generation is the same, and a list of a thousand candidates costs a look at a thousand numbers, not at all they have.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trivet.store.tx import Tx

_CHUNK = 256
_KEPT_MAX = 20_000


class Usage(msgspec.Struct, frozen=True, gc=False):
    """There may be thousands of them in one reply: they are kept out of the garbage collector's way."""

    capacity: int
    used: int


class Summary(msgspec.Struct, frozen=True):
    id: str
    parent_id: str | None
    root_id: str
    resources: dict[str, Usage]
    traits: list[str]


class Version(msgspec.Struct, frozen=True, gc=False):
    """Of a provider. One that was removed and made again under its old id begins at generation 0 again."""

    generation: int
    created_at: float


class KnownProviders:
    """Of providers that are trees by themselves."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Version, Summary]] = {}

    async def summaries(self, tx: Tx, versions: dict[str, Version]) -> list[Summary]:
        """For reading transactions only: what a writer sees of its own may never come to be."""
        kept = self._kept
        missing = [id for id, version in versions.items() if id not in kept or kept[id][0] != version]
        if not missing:
            return [kept[id][1] for id in versions]
        read = {summary.id: summary for summary in await of_single(tx, missing)}
        found = [read[id] if id in read else kept[id][1] for id in versions]
        if len(kept) + len(read) > _KEPT_MAX:
            kept.clear()
        # What was read is at least as new as its version; if newer, nobody will ask for this version again.
        kept.update((id, (versions[id], summary)) for id, summary in read.items())
        return found


async def of_single(tx: Tx, ids: Iterable[str]) -> list[Summary]:
    """Of providers that are trees by themselves."""
    found = {id: Summary(id, None, id, {}, []) for id in ids}
    await _fill(tx, found)
    return list(found.values())


async def of_trees(tx: Tx, ids: Iterable[str]) -> list[Summary]:
    """Of all providers in the trees of these."""
    roots = {str(row[0]) for row in await _chunked(tx, "SELECT root_id FROM providers WHERE id IN", list(ids))}
    rows = await _chunked(tx, "SELECT id, parent_id, root_id FROM providers WHERE root_id IN", list(roots))
    found = {str(row[0]): Summary(str(row[0]), row[1], str(row[2]), {}, []) for row in rows}
    await _fill(tx, found)
    return list(found.values())


async def _fill(tx: Tx, found: dict[str, Summary]) -> None:
    ids = list(found)
    for id, name, capacity, used in await _chunked(
        tx, "SELECT provider_id, class, capacity, used FROM inventories WHERE provider_id IN", ids
    ):
        found[id].resources[name] = Usage(capacity, used)
    for id, trait in await _chunked(tx, "SELECT provider_id, trait FROM provider_traits WHERE provider_id IN", ids):
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
