"""Summaries of providers: what each has in all, what of it is taken, its traits. Remembered by the process.

A provider's generation counts every change of these, claims included. So what was read once stays true while the
generation is the same, and a list of a thousand candidates costs a look at a thousand numbers, not at all they have.
So do what was made of it: whether it has room for what was asked last, and how it was told.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from trivet.store.tx import Tx

_CHUNK = 256
_NEEDS_MAX = 1_000
KEPT_MAX = 20_000


class Usage(msgspec.Struct, frozen=True, gc=False):
    """There may be thousands of them in one reply: they are kept out of the garbage collector's way."""

    capacity: int
    used: int


class Units(msgspec.Struct, frozen=True, gc=False):
    """The amounts in which some of a class can be taken."""

    free: int
    least: int
    most: int
    step: int


class Summary(msgspec.Struct, frozen=True):
    id: str
    parent_id: str | None
    root_id: str
    resources: dict[str, Usage]
    traits: list[str]
    units: dict[str, Units] = {}


class Need(msgspec.Struct, frozen=True):
    """What one provider alone must have."""

    resources: dict[str, int]
    required: tuple[frozenset[str], ...]
    """At least one trait of each set."""
    forbidden: frozenset[str]

    def times(self, summary: Summary) -> int:
        """How often the provider could meet it now, were it only for what is free; 0 if it cannot."""
        found: list[int] = []
        for name, amount in self.resources.items():
            units = summary.units.get(name)
            if units is None or not units.least <= amount <= units.most or amount % units.step:
                return 0
            found.append(units.free // amount)
        traits = self.forbidden.union(*self.required).intersection(summary.traits)
        if traits & self.forbidden or not all(traits & some for some in self.required):
            return 0
        return max(0, min(found, default=0))


Version = tuple[int, float]
"""Of a provider: its generation, and when it was made. One that was removed and made again under its old id begins
at generation 0 again."""


class Known:
    """A provider as it was at one version, with what was last made of that."""

    __slots__ = ("_need", "_shape", "_times", "_words", "id_words", "summary", "version")

    def __init__(self, version: Version, summary: Summary) -> None:
        self.version = version
        self.summary = summary
        self.id_words = msgspec.json.encode(summary.id)[1:-1]
        """Its id as JSON tells it, without quotes."""
        self._need: Need | None = None
        self._times = 0
        self._shape: object = None
        self._words = b""

    def times(self, need: Need) -> int:
        if self._need is not need:
            self._need, self._times = need, need.times(self.summary)
        return self._times

    def words(self, shape: object, tell: Callable[[Summary], bytes]) -> bytes:
        """The summary in the words of `tell`, which for one `shape` always gives the same words."""
        if self._shape != shape:
            self._shape, self._words = shape, tell(self.summary)
        return self._words


class KnownProviders:
    """Of providers that are trees by themselves. For reading transactions only: what a writer sees of its own may
    never come to be."""

    def __init__(self) -> None:
        self._kept: dict[str, Known] = {}
        self._needs: dict[object, Need] = {}
        self.count = 0
        """When all were looked at last."""

    async def some(self, tx: Tx, versions: dict[str, Version]) -> list[Known]:
        kept = self._kept
        missing = [id for id, version in versions.items() if id not in kept or kept[id].version != version]
        if not missing:
            return [kept[id] for id in versions]
        # What is read is at least as new as its version; if newer, nobody will ask for this version again.
        read = {summary.id: Known(versions[summary.id], summary) for summary in await of_single(tx, missing)}
        found = [read[id] if id in read else kept[id] for id in versions]
        if len(kept) + len(read) > KEPT_MAX:
            kept.clear()
        kept.update(read)
        return found

    async def all_with(self, tx: Tx, need: Need) -> list[tuple[Known, int]]:
        """The providers that could meet the request, and how often."""
        rows = await tx.rows("SELECT id, generation, created_at FROM providers")
        self.count = len(rows)
        need = self._same(need)
        found = []
        for known in await self.some(tx, {id: (generation, created_at) for id, generation, created_at in rows}):
            times = known.times(need)
            if times:
                found.append((known, times))
        return found

    def _same(self, need: Need) -> Need:
        """One object for all equal ones: it is compared with what a thousand providers were asked last."""
        key = (tuple(need.resources.items()), need.required, need.forbidden)
        if key not in self._needs:
            if len(self._needs) >= _NEEDS_MAX:
                self._needs.clear()
            self._needs[key] = need
        return self._needs[key]


async def of_single(tx: Tx, ids: Iterable[str]) -> list[Summary]:
    """The summaries of providers that are trees by themselves."""
    found = {id: Summary(id, None, id, {}, [], {}) for id in ids}
    await _fill(tx, found)
    return list(found.values())


async def of_trees(tx: Tx, ids: Iterable[str]) -> list[Summary]:
    """The summaries of all providers in the trees of these."""
    roots = {str(row[0]) for row in await _chunked(tx, "SELECT root_id FROM providers WHERE id IN", list(ids))}
    rows = await _chunked(tx, "SELECT id, parent_id, root_id FROM providers WHERE root_id IN", list(roots))
    found = {str(row[0]): Summary(str(row[0]), row[1], str(row[2]), {}, [], {}) for row in rows}
    await _fill(tx, found)
    return list(found.values())


async def _fill(tx: Tx, found: dict[str, Summary]) -> None:
    ids = list(found)
    columns = "provider_id, class, capacity, used, free, min_unit, max_unit, step_size"
    for id, name, capacity, used, *units in await _chunked(
        tx, f"SELECT {columns} FROM inventories WHERE provider_id IN", ids
    ):
        found[id].resources[name] = Usage(capacity, used)
        found[id].units[name] = Units(*units)
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
