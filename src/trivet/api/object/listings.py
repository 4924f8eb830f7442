"""Lists as Swift gives them: lines, JSON or XML."""

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from trivet.api.kit.accepts import preferred
from trivet.api.kit.request import Reply, Request, encode
from trivet.api.object.wire import PLAIN, Headers, check_text, url_quoted
from trivet.domain.numbers import whole_number
from trivet.domain.objects.containers import Container
from trivet.domain.objects.listing import ListedContainer, Page
from trivet.domain.objects.names import ACCOUNT_PREFIX, LISTING_MAX
from trivet.domain.objects.objects import Listed
from trivet.errors import Invalid

_JSON, _XML = "application/json; charset=utf-8", "application/xml; charset=utf-8"
_FORMS = {"json": _JSON, "xml": _XML, "plain": PLAIN}
_OFFERS = {
    "text/plain": PLAIN,
    "application/json": _JSON,
    "application/xml": _XML,
    "text/xml": "text/xml; charset=utf-8",
}


def page(request: Request) -> Page:
    limit = request.asked("limit")
    most = whole_number(limit) if limit else LISTING_MAX
    if most is None:
        most = LISTING_MAX
    if most > LISTING_MAX:
        raise Invalid("listing.limit", f"Maximum limit is {LISTING_MAX}", status=412)
    words = {name: request.asked(name) or "" for name in ("marker", "end_marker", "prefix", "delimiter")}
    check_text("".join(words.values()))
    return Page(limit=most, path=request.asked("path"), reverse=_flag(request.asked("reverse")), **words)


def _flag(said: str | None) -> bool:
    return (said or "").lower() in ("1", "true", "yes", "on", "t", "y")


def kind_of(request: Request) -> str:
    form = request.asked("format")
    if form is not None:
        return _FORMS.get(form.lower(), PLAIN)
    offer = preferred(request.header("accept"), tuple(_OFFERS)) if request.header("accept") else "text/plain"
    if offer is None:
        raise Invalid("accept", "The server could not comply with the request: it is not acceptable.", status=406)
    return _OFFERS[offer]


def of_account(kind: str, account: str, found: Sequence[ListedContainer | str], headers: Headers) -> Reply:
    if kind == PLAIN:
        return _lines([one if isinstance(one, str) else one.name for one in found], headers)
    if kind == _JSON:
        rows = [
            {"subdir": one}
            if isinstance(one, str)
            else {
                "name": one.name,
                "count": one.object_count,
                "bytes": one.bytes_used,
                "last_modified": moment(one.updated_at),
            }
            for one in found
        ]
        return Reply(200, encode(rows), headers, content_type=kind)
    inner = "".join(
        f"<subdir name={quoteattr(one)} />"
        if isinstance(one, str)
        else f"<container><name>{escape(one.name)}</name><count>{one.object_count}</count>"
        f"<bytes>{one.bytes_used}</bytes><last_modified>{moment(one.updated_at)}</last_modified></container>"
        for one in found
    )
    return _xml(kind, f"<account name={quoteattr(account)}>{inner}</account>", headers)


def of_container(kind: str, home: Container, found: Sequence[Listed | str], headers: Headers) -> Reply:
    if kind == PLAIN:
        return _lines([one if isinstance(one, str) else one.name for one in found], headers)
    if kind == _JSON:
        rows = [{"subdir": one} if isinstance(one, str) else _row(home, one) for one in found]
        return Reply(200, encode(rows), headers, content_type=kind)
    inner = "".join(
        f"<subdir name={quoteattr(one)}><name>{escape(one)}</name></subdir>"
        if isinstance(one, str)
        else f"<object><name>{escape(one.name)}</name><hash>{one.etag}</hash><bytes>{one.size}</bytes>"
        f"<content_type>{escape(one.content_type)}</content_type>"
        f"<last_modified>{moment(one.modified_at)}</last_modified></object>"
        for one in found
    )
    return _xml(kind, f"<container name={quoteattr(home.name)}>{inner}</container>", headers)


def _row(home: Container, one: Listed) -> dict[str, object]:
    row: dict[str, object] = {
        "name": one.name,
        "bytes": one.size,
        "hash": one.etag,
        "content_type": one.content_type,
        "last_modified": moment(one.modified_at),
    }
    if one.is_large:
        row["slo_etag"] = f'"{one.etag}"'
    if one.target is not None:
        account, path = one.target
        row["symlink_path"] = url_quoted(f"/v1/{account or f'{ACCOUNT_PREFIX}{home.project_id}'}/{path}")
    return row


def moment(at: float) -> str:
    return datetime.fromtimestamp(round(at, 5), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _lines(names: list[str], headers: Headers) -> Reply:
    text = "".join(f"{name}\n" for name in names).encode(errors="replace")
    return Reply(200 if text else 204, text, headers, content_type=PLAIN)


def _xml(kind: str, inner: str, headers: Headers) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{inner}'
    return Reply(200, text.encode(errors="replace"), headers, content_type=kind)
