"""Collections: what is alike for everything that this service keeps: lists with their links, single answers,
`fields`, and making one or several at once.

A collection says which names may be filtered by and what they mean in SQL; an unknown name is refused,
since a filter that is silently dropped lists what was not asked for. What a caller is not shown is such a name for
him.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from msgspec import structs

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.network import bodies
from trivet.clock import parse_iso
from trivet.domain.callers import Caller
from trivet.domain.network import tags
from trivet.errors import Conflict, Invalid, NotFound, OverQuota
from trivet.store import lists as store_lists
from trivet.store.tables import R, Table, Value
from trivet.store.tx import Tx
from trivet.store.where import Where

B = TypeVar("B")
Json = dict[str, Any]
Show = Callable[[Request, Sequence[R]], Awaitable[list[Json]]]

_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
PAGING = frozenset(("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"))
_CONTROL = PAGING | {"changed_since", *_TAGS}
_BIGINT = 2**63


def _wrong_sort(why: lists.Wrong, said: str, keys: Iterable[str]) -> Invalid:
    return Invalid(
        "query.invalid",
        {
            "count": "The number of sort_keys and sort_dirs must be same",
            "direction": "sort_dirs must be asc or desc",
        }.get(why, f"['{said}'] is invalid attribute for sort_keys"),
    )


SPELLING = lists.Spelling(
    limit=None,
    limit_max=100_000,
    zero_is_all=True,
    wrong=lambda _, said: Invalid("query.invalid", f"Limit must be an integer 0 or greater and not '{said[:32]}'"),
    absent=lambda marker: NotFound("marker.absent", f"There is no {marker[:64]} to begin after."),
)
SORTING = lists.Sorting(first=None, direction="asc", pairs="each", ties=(("id", "asc"),), wrong=_wrong_sort)


def flag(text: str) -> int:
    low = text.lower()
    if low in ("true", "1", "t", "yes"):
        return 1
    if low in ("false", "0", "f", "no"):
        return 0
    raise Invalid("query.invalid", f"'{text[:32]}' cannot be converted to boolean.")


def whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise Invalid("query.invalid", f"'{text[:32]}' is not an integer.") from error
    if not -_BIGINT <= number < _BIGINT:
        raise Invalid("query.invalid", "The number is out of bounds.")
    return number


class Collection(Generic[R]):
    def __init__(
        self,
        table: Table[R],
        singular: str,
        plural: str,
        show: Show[R],
        *,
        text: Sequence[str] = (),
        flags: Sequence[str] = (),
        numbers: Sequence[str] = (),
        named: dict[str, str] | None = None,
        special: dict[str, lists.Narrow] | None = None,
        sorts: dict[str, str] | None = None,
        for_operators: Sequence[str] = (),
        tagged: bool = True,
    ) -> None:
        """`named`: what a client calls a column that we call otherwise. `sorts`: what else may be sorted by, in SQL.
        `for_operators`: what nobody else is shown, so that nobody else may ask about it."""
        self.table = table
        self.singular = singular
        self.plural = plural
        self.show = show
        columns: dict[str, tuple[str, Callable[[str], Value]]] = {}
        for names, read in ((text, str), (flags, flag), (numbers, whole)):
            for name in names:
                columns[name] = ((named or {}).get(name, name), read)
        for name in ("id", "name", "description", "project_id", "revision_number"):
            column = {"revision_number": "revision"}.get(name, name)
            if column in table.columns:
                columns[name] = (column, whole if name == "revision_number" else str)
        if "project_id" in table.columns:
            columns["tenant_id"] = ("project_id", str)
        self._filters = {name: lists.equal(column, read) for name, (column, read) in columns.items()} | (special or {})
        self._columns = {name: table.ordered(column) for name, (column, _) in columns.items()} | (sorts or {})
        self._columns |= {name: name for name in ("created_at", "updated_at") if name in table.columns}
        self._for_operators = frozenset(for_operators)
        self._tagged = tagged

    async def reply(self, request: Request, where: Where, tx: Tx | None = None) -> Reply:
        """`where`: what the list is of, and of that what the caller sees."""
        reverse = request.asked_flag("page_reverse") or False
        asked = lists.asked(request, SPELLING, lists.sort_of(request, SORTING, self._sorts(request)))
        asked = structs.replace(asked, backwards=reverse)
        narrowed = self._narrowed(request, where.copy())
        records = await store_lists.page(tx or request.tx, self.table, narrowed, asked, seen=where)
        shown = await self.show(request, records)
        body: Json = {self.plural: shown}
        if asked.limit is not None:
            body[f"{self.plural}_links"] = _links(request, records, asked.limit, reverse=reverse)
        fields = lists.fields_of(request)
        if fields:
            body[self.plural] = [lists.cut(record, fields) for record in shown]
        return Reply(200, body)

    async def one(self, request: Request, record: R) -> Reply:
        (shown,) = await self.show(request, [record])
        return Reply(200, {self.singular: lists.cut(shown, lists.fields_of(request))})

    async def create(
        self,
        request: Request,
        kind: type[B],
        make: Callable[[Tx, Caller, B], Awaitable[R]],
        before_several: Callable[[Tx, Caller, Sequence[B]], Awaitable[None]] | None = None,
    ) -> Reply:
        async def make_owned(wanted: B) -> R:
            return await make(request.tx, request.caller, bodies.owned(wanted))

        async def before(wishes: Sequence[B]) -> None:
            if before_several is not None:
                await before_several(request.tx, request.caller, [bodies.owned(wanted) for wanted in wishes])

        return await self.made(request, kind, make_owned, before)

    async def made(
        self,
        request: Request,
        kind: type[B],
        make: Callable[[B], Awaitable[R]],
        before_several: Callable[[Sequence[B]], Awaitable[None]] | None = None,
    ) -> Reply:
        """One or several, all of them or none: it is one transaction. `before_several` takes hold, in one order, of
        what others may want as well, in whichever order they are asked for."""
        wishes, single = bodies.one_or_several(request, kind, self.singular, self.plural)
        try:
            if before_several is not None and len(wishes) > 1:
                await before_several(wishes)
            records = [await _in_turn(make(wish)) for wish in wishes]
            await request.tx.finish()
        except OverQuota as error:
            # This service says 409 where the others say 403.
            resource = str(error.details.get("resource", ""))
            raise Conflict(error.code, f"Quota exceeded for resources: ['{resource}'].") from error
        shown = await self.show(request, records)
        return Reply(201, {self.singular: shown[0]} if single else {self.plural: shown})

    def _narrowed(self, request: Request, where: Where) -> Where:
        def known(name: str) -> lists.Narrow | None:
            return self._filters.get(name) if self._may_ask(request, name) else None

        lists.narrow(request, where, known, aside=_CONTROL, unknown=unknown_filter)
        since = request.asked("changed_since")
        if since is not None:
            where.add("updated_at >= ?", _time(since))
        wanted = {name: asked.split(",") for name in _TAGS if (asked := request.asked(name))}
        if wanted:
            if not self._tagged:
                raise Invalid("filter.invalid", "['tags'] is invalid attribute for filtering")
            tags.filtered(where, self.table.name, wanted)
        return where

    def _may_ask(self, request: Request, name: str) -> bool:
        return name not in self._for_operators or request.caller.may_see(None)

    def _sorts(self, request: Request) -> dict[str, str]:
        return {key: column for key, column in self._columns.items() if self._may_ask(request, key)}


def unknown_filter(name: str) -> Invalid:
    return Invalid("filter.invalid", f"[{name!r}] is invalid attribute for filtering")


def _time(text: str) -> float:
    try:
        return parse_iso(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise Invalid("query.invalid", "The input changed_since must be a valid time.") from error


def _links(request: Request, records: Sequence[R], limit: int, *, reverse: bool) -> list[Json]:
    links = []
    if len(records) >= limit or reverse:
        links.append({"rel": "next", "href": _link(request, records[-1].id if records else None)})
    if len(records) >= limit or not reverse:
        back = _link(request, records[0].id if records else None, reverse=True)
        links.append({"rel": "previous", "href": back})
    return links


def _link(request: Request, marker: str | None, *, reverse: bool = False) -> str:
    pairs = lists.kept(request, "marker", "page_reverse")
    if marker is not None:
        pairs.append(("marker", marker))
    if reverse:
        pairs.append(("page_reverse", "True"))
    path = request.path.removeprefix("/network")
    return f"{request.url}{path}?{urlencode(pairs)}"


async def _in_turn(making: Awaitable[R]) -> R:
    """One of many: between two of them others have their turn at the event loop."""
    await asyncio.sleep(0)
    return await making
