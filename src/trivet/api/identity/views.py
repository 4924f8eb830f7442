"""Views: the shape that identity gives to what it shows: links, pages, filters, and fields nobody foresaw.

Bodies keep fields that are not known (`extra`): clients of identity store their own things there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.domain.identity import extras
from trivet.errors import Invalid, NotFound
from trivet.store import lists as store_lists
from trivet.store.lists import Keep
from trivet.store.tables import R, Table
from trivet.store.where import Where

View = dict[str, Any]
F = TypeVar("F", bound="Fields")

ShortName = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"\S")]
LongName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"\S")]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+\Z")]
Text = Annotated[str, msgspec.Meta(max_length=65_535)]

_RESERVED = frozenset(("id", "links"))
_SPELLING = lists.Spelling(
    limit=None,
    limit_max=1000,
    wrong=lambda name, _: Invalid("query.invalid", f"{name} must be a whole number."),
    absent=lambda marker: NotFound("marker.absent", f"Marker {marker[:64]} could not be found."),
)
Filters = Sequence[str] | Mapping[str, str]
"""Fields by which a list is narrowed; where the column has another name than the field, with that."""


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a body that are known; what is not sent is UNSET."""

    def given(self) -> dict[str, Any]:
        return given(self)


def given(fields: msgspec.Struct) -> dict[str, Any]:
    """Only what was sent."""
    return {name: value for name in fields.__struct_fields__ if (value := getattr(fields, name)) is not UNSET}


def required(given: dict[str, Any], *names: str) -> None:
    for name in names:
        if name not in given:
            raise Invalid("body.invalid", f"{name!r} is a required property.")


def changes(request: Request, key: str, kind: type[F], *, some: bool = False) -> dict[str, Any]:
    """Of {key: {...}} what was sent, with the fields that are not known together as `extra`. `some`: nothing at all is
    no change, and an id is that of the path."""
    fields, extra = read(request, key, kind)
    if some:
        check_change(request, key)
    return fields.given() | ({"extra": extra} if extra else {})


def check_change(request: Request, key: str) -> None:
    if not request.read_object()[key]:
        raise Invalid("body.invalid", f"Invalid input: {key}: {{}} should be non-empty.")
    check_id(request, key)


def check_id(request: Request, key: str) -> None:
    id = request.values[f"{key}_id"]
    if request.read_object()[key].get("id", id) != id:
        raise Invalid("body.invalid", "Cannot change ID")


def read(request: Request, key: str, kind: type[F]) -> tuple[F, dict[str, Any]]:
    """The known fields of {key: {...}}, and the others."""
    inner = request.read_object().get(key)
    if not isinstance(inner, dict):
        raise Invalid("body.invalid", f"{key!r} is a required property, and must be an object.")
    try:
        fields = msgspec.convert(inner, kind)
    except msgspec.ValidationError as error:
        raise Invalid("body.invalid", f"Invalid input: {str(error).replace('`$.', '`')}.") from error
    known = set(kind.__struct_encode_fields__)
    extra = {name: value for name, value in inner.items() if name not in known and name not in _RESERVED}
    return fields, extras.checked(extra)


def url(request: Request, path: str) -> str:
    return f"{request.url}/v3/{path}"


def linked(request: Request, path: str, view: View) -> View:
    view["links"] = {"self": url(request, path)}
    return view


# -- lists


class Found(NamedTuple, Generic[R]):
    """One page."""

    records: list[R]
    truncated: bool
    """There is more."""


def limit(request: Request) -> int | None:
    """For what has no ids to page by."""
    return lists.limit_of(request, _SPELLING)


async def find(
    request: Request,
    table: Table[R],
    where: Where,
    *,
    columns: Filters = (),
    order: Sequence[str] = ("name", "id"),
    keep: Keep[R] | None = None,
) -> Found[R]:
    """`columns` are the fields that may be asked for, by the names of the wire; what else is asked narrows nothing."""
    known = columns if isinstance(columns, Mapping) else {name: name for name in columns}
    narrowed = lists.narrow(request, where.copy(), lambda said: _narrow_by(table, known, said))
    asked = lists.asked(request, _SPELLING, tuple((table.ordered(column), False) for column in order))
    if asked.limit is None:
        return Found(await store_lists.page(request.tx, table, narrowed, asked, seen=narrowed, keep=keep), False)
    one_more = msgspec.structs.replace(asked, limit=asked.limit + 1)
    found = await store_lists.page(request.tx, table, narrowed, one_more, seen=narrowed, keep=keep)
    return Found(found[: asked.limit], truncated=len(found) > asked.limit)


async def page(
    request: Request,
    key: str,
    table: Table[R],
    view: Callable[[Request, R], View],
    where: Where,
    *,
    columns: Filters = (),
    order: Sequence[str] = ("name", "id"),
    keep: Keep[R] | None = None,
) -> Reply:
    """One page of a table; `truncated` says that there is more, and `next` where."""
    found = await find(request, table, where, columns=columns, order=order, keep=keep)
    return paged(request, key, [view(request, record) for record in found.records], truncated=found.truncated)


def paged(request: Request, key: str, shown: list[View], *, truncated: bool = False) -> Reply:
    here = f"{request.url}{_tail(request)}"
    query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
    links = {"next": None, "self": f"{here}{query}", "previous": None}
    if truncated and shown and "id" in shown[-1]:
        links["next"] = f"{here}?{lists.after(request, shown[-1]['id'])}"
    return Reply(200, {key: shown, "links": links, **({"truncated": True} if truncated else {})})


def _narrow_by(table: Table[R], columns: Mapping[str, str], said: str) -> lists.Narrow | None:
    """A field, or a field with a comparison behind it: name__icontains."""
    field, _, how = said.partition("__")
    column = columns.get(field)
    if column is None:
        return None

    def by(request: Request, where: Where, values: list[str]) -> None:
        for value in values:
            if how:
                _compare(where, column, how, value)
            elif table.is_flag(column):
                where.equal(column, int(value.lower() not in ("0", "false", "no", "off")))
            else:
                where.equal(f"COALESCE({column}, '')" if value == "" else column, value)

    return by


def _compare(where: Where, column: str, how: str, value: str) -> None:
    if how.startswith("i"):
        column, how, value = f"LOWER({column})", how[1:], value.lower()
    if how == "contains":
        where.holding(column, value)
    elif how == "startswith":
        where.beginning(column, value)
    elif how == "endswith":
        where.ending(column, value)
    else:
        raise Invalid("query.invalid", f"There is no comparison {how[:64]!r}.")


def _tail(request: Request) -> str:
    at = request.path.find("/v3")
    return request.path[at:].rstrip("/") if at >= 0 else ""
