"""Collections: what is alike for everything that this service keeps: lists with filters, sorting and paging with
links, single answers, `fields`, and making one or several at once.

A collection says which names may be filtered by and what they mean in SQL; an unknown name is refused,
since a filter that is silently dropped lists what was not asked for. What a caller is not shown is such a name for
him, and a row that he does not see is no marker: from where a row stands in an order its contents can be told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from trivet.api.kit.request import Reply, Request
from trivet.api.network import bodies
from trivet.clock import parse_iso
from trivet.domain.callers import Caller
from trivet.domain.network import tags
from trivet.errors import Conflict, Invalid, NotFound, OverQuota
from trivet.store.tables import R, Table, Value
from trivet.store.tx import Tx
from trivet.store.where import Where, order_by

B = TypeVar("B")
Json = dict[str, Any]
Special = Callable[[Request, Where, list[str]], None]
Show = Callable[[Request, Sequence[R]], Awaitable[list[Json]]]

_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")
_CONTROL = {"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir", "changed_since", *_TAGS}
_LIMIT_MAX = 100_000
_BIGINT = 2**63


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


def fields_of(request: Request) -> set[str]:
    return set(request.asked_all("fields")) - {""}


def cut(record: Json, fields: set[str]) -> Json:
    return {name: value for name, value in record.items() if name in fields} if fields else record


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
        special: dict[str, Special] | None = None,
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
        columns = named or {}
        self._filters: dict[str, tuple[str, Callable[[str], Value]]] = {}
        for names, read in ((text, str), (flags, flag), (numbers, whole)):
            for name in names:
                self._filters[name] = (columns.get(name, name), read)
        for name in ("id", "name", "description", "project_id", "revision_number"):
            column = {"revision_number": "revision"}.get(name, name)
            if column in table.columns:
                self._filters[name] = (column, whole if name == "revision_number" else str)
        if "project_id" in table.columns:
            self._filters["tenant_id"] = ("project_id", str)
        self._special = special or {}
        self._sorts = {name: table.ordered(column) for name, (column, _) in self._filters.items()} | (sorts or {})
        self._for_operators = frozenset(for_operators)
        for name in ("created_at", "updated_at"):
            if name in table.columns:
                self._sorts[name] = name
        self._tagged = tagged

    async def reply(self, request: Request, where: Where, tx: Tx | None = None) -> Reply:
        seen = where.copy()
        self._narrow(request, where)
        tx = tx or request.tx
        sort = self._sort(request)
        limit = self._limit(request)
        reverse = request.asked_flag("page_reverse") or False
        if reverse:
            sort = [(column, not descending) for column, descending in sort]
        marker = request.asked("marker")
        if marker:
            where.after(sort, await self._marker(tx, seen, marker, sort))
        records = await tx.select(self.table, where, order=order_by(sort), limit=limit)
        if reverse:
            records.reverse()
        shown = await self.show(request, records)
        body: Json = {self.plural: shown}
        if limit is not None:
            body[f"{self.plural}_links"] = _links(request, records, limit, reverse=reverse)
        fields = fields_of(request)
        if fields:
            body[self.plural] = [cut(record, fields) for record in shown]
        return Reply(200, body)

    async def one(self, request: Request, record: R) -> Reply:
        (shown,) = await self.show(request, [record])
        return Reply(200, {self.singular: cut(shown, fields_of(request))})

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

    def _narrow(self, request: Request, where: Where) -> None:
        said: dict[str, list[str]] = {}
        for name, value in request.query:
            if name not in _CONTROL:
                said.setdefault(name, []).append(value)
        for name, values in said.items():
            special = self._special.get(name) if self._may_ask(request, name) else None
            if special is not None:
                special(request, where, values)
                continue
            known = self._filters.get(name)
            if known is None or not self._may_ask(request, name):
                raise Invalid("filter.invalid", f"[{name!r}] is invalid attribute for filtering")
            column, read = known
            where.any_of(column, [read(value) for value in values])
        since = request.asked("changed_since")
        if since is not None:
            where.add("updated_at >= ?", _time(since))
        wanted = {name: asked.split(",") for name in _TAGS if (asked := request.asked(name))}
        if wanted:
            if not self._tagged:
                raise Invalid("filter.invalid", "['tags'] is invalid attribute for filtering")
            tags.filtered(where, self.table.name, wanted)

    def _may_ask(self, request: Request, name: str) -> bool:
        return name not in self._for_operators or request.caller.may_see(None)

    def _sort(self, request: Request) -> list[tuple[str, bool]]:
        keys = request.asked_all("sort_key")
        directions = request.asked_all("sort_dir")
        if directions and len(keys) != len(directions):
            raise Invalid("query.invalid", "The number of sort_keys and sort_dirs must be same")
        sort: list[tuple[str, bool]] = []
        for n, key in enumerate(keys):
            direction = directions[n] if directions else "asc"
            if direction not in ("asc", "desc"):
                raise Invalid("query.invalid", "sort_dirs must be asc or desc")
            column = self._sorts.get(key)
            if column is None or not self._may_ask(request, key):
                raise Invalid("query.invalid", f"['{key}'] is invalid attribute for sort_keys")
            sort.append((column, direction == "desc"))
        if "id" not in [column for column, _ in sort]:
            sort.append(("id", False))
        return sort

    def _limit(self, request: Request) -> int | None:
        text = request.asked("limit")
        if text is None:
            return None
        limit = whole(text)
        if limit < 0:
            raise Invalid("query.invalid", f"Limit must be an integer 0 or greater and not '{limit}'")
        return min(limit, _LIMIT_MAX) or None

    async def _marker(self, tx: Tx, seen: Where, marker: str, sort: list[tuple[str, bool]]) -> list[Value]:
        """Where it stands, if it is one of those that are `seen`. It need not pass the filters: it may have changed
        since the page that it ended."""
        columns = ", ".join(column for column, _ in sort)
        one = seen.equal("id", marker)
        row = await tx.row(f"SELECT {columns} FROM {self.table.name}{one.sql}", *one.values)
        if row is None:
            raise NotFound("marker.absent", f"There is no {marker[:64]} to begin after.")
        return list(row)


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
    pairs = [(name, value) for name, value in request.query if name not in ("marker", "page_reverse")]
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
