"""Views: the shape that identity gives to what it shows: links, pages, filters, and fields nobody foresaw.

Bodies keep fields that are not known (`extra`): clients of identity store their own things there.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET

from trivet.api.kit.request import Reply, Request
from trivet.domain.identity import extras, lists
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid, NotFound
from trivet.store.tables import R, Table
from trivet.store.where import Where

View = dict[str, Any]
F = TypeVar("F", bound="Fields")

ShortName = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"\S")]
LongName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"\S")]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+\Z")]
Text = Annotated[str, msgspec.Meta(max_length=65_535)]

_RESERVED = frozenset(("id", "links"))
_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, wanted: wanted in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


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


def changes(request: Request, key: str, kind: type[F]) -> dict[str, Any]:
    """What a body {key: {...}} says, with all fields that are not known gathered in `extra`."""
    fields, extra = read(request, key, kind)
    return fields.given() | ({"extra": extra} if extra else {})


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


async def page(
    request: Request,
    key: str,
    table: Table[R],
    view: Callable[[Request, R], View],
    where: Where,
    *,
    columns: Sequence[str],
    order: Sequence[str] = ("name", "id"),
    keep: Callable[[R], bool] | None = None,
) -> Reply:
    """One page of a table, cut by the database; `truncated` says that there is more, and `next` where."""
    found = await lists.page(request.tx, table, where, asked(request), columns=columns, order=order, keep=keep)
    return paged(request, key, [view(request, record) for record in found.found], truncated=found.truncated)


def paged(request: Request, key: str, shown: list[View], *, truncated: bool, more: View | None = None) -> Reply:
    here = f"{request.url}{_tail(request)}"
    query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
    links = {"next": None, "self": f"{here}{query}", "previous": None}
    if truncated and shown and "id" in shown[-1]:
        links["next"] = f"{here}?{urlencode([*_without_marker(request), ('marker', shown[-1]['id'])])}"
    return Reply(200, {key: shown, "links": links, **({"truncated": True} if truncated else {}), **(more or {})})


def asked(request: Request) -> lists.Asked:
    return lists.Asked(filters=tuple(request.query), limit=_limit(request), marker=request.asked("marker"))


def _without_marker(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.query if name != "marker"]


def listed(
    request: Request, key: str, views: Iterable[View], filters: Iterable[str] = (), *, more: View | None = None
) -> Reply:
    """One page of a short list, filtered by those query parameters that are in `filters` (name__contains works,
    too)."""
    found = [view for view in views if _wanted(request, view, filters)]
    marker, limit = request.asked("marker"), _limit(request)
    if marker is not None:
        ids = [view.get("id") for view in found]
        if marker not in ids:
            raise NotFound("marker.absent", f"Marker {marker[:64]} could not be found.")
        found = found[ids.index(marker) + 1 :]
    truncated = limit is not None and len(found) > limit
    return paged(request, key, found[:limit], truncated=truncated, more=more)


def _tail(request: Request) -> str:
    at = request.path.find("/v3")
    return request.path[at:].rstrip("/") if at >= 0 else ""


def _wanted(request: Request, view: View, filters: Iterable[str]) -> bool:
    for name, wanted in request.query:
        field, _, how = name.partition("__")
        if field not in filters:
            continue
        value = view.get(field)
        if not how:
            if not _equal(value, wanted):
                return False
            continue
        folded = how.startswith("i")
        compare = _COMPARED.get(how[1:] if folded else how)
        if compare is None:
            raise Invalid("query.invalid", f"There is no comparison {how[:64]!r}.")
        if not isinstance(value, str):
            return False
        if not (compare(value.lower(), wanted.lower()) if folded else compare(value, wanted)):
            return False
    return True


def _equal(value: object, wanted: str) -> bool:
    if isinstance(value, bool):
        return value == (wanted.lower() not in ("0", "false", "no", "off"))
    if value is None:
        return wanted == ""
    return str(value) == wanted


def _limit(request: Request) -> int | None:
    said = request.asked("limit")
    if said is None:
        return None
    number = whole_number(said)
    if number is None:
        raise Invalid("query.invalid", "limit must be a whole number.")
    return min(number, lists.LIMIT_MAX)


def where(request: Request, columns: Iterable[str], *, domain_id: str | None = None) -> Where:
    """The exact filters that the database can do itself; with `domain_id`, of what is in that domain."""
    found = Where()
    for name in columns:
        value = request.asked(name)
        if value is not None:
            found.equal(name, value)
    if domain_id is not None:
        found.equal("domain_id", domain_id)
    return found
