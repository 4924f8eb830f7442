"""Versions by their ids (`?version-id=`, `?versions`), of a container that keeps them (`X-Versions-Enabled`).

A temporary URL is for what is read under a name; what was read before, and is perhaps no longer to be, is not in it.
"""

from xml.sax.saxutils import escape, quoteattr

from trivet.api.kit.request import NOBODY, Reply, Request, encode
from trivet.api.object import listings, temp_urls, wire, writing
from trivet.api.object.wire import Headers
from trivet.domain.objects import access, version_acts, version_lists
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Object, Place
from trivet.domain.objects.version_lists import Entry
from trivet.domain.objects.versions import Version
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

_ID = b"x-object-version-id"


def asked(request: Request) -> str | None:
    """The id, if one is asked for."""
    if not request.query_string:
        return None
    version_id = request.asked("version-id")
    if version_id is not None and temp_urls.is_signed(request):
        raise access.refusal(NOBODY)
    return version_id


async def chosen(tx: Tx, home: Container, place: Place, there: Object | None, version_id: str) -> Object | Version:
    return await version_acts.chosen(tx, home, place.name, there, version_id)


def deleted(mark: Version) -> Reply:
    """There is nothing to be had of the mark of a deletion but its id."""
    said = b"<html><h1>Not Found</h1><p>The resource could not be found.</p></html>"
    return Reply(404, said, [(_ID, mark.version_id.encode())], content_type=wire.HTML)


async def delete(request: Request, version_id: str) -> Reply:
    place = wire.place(request)
    await writing.admitted(request, place)
    current = await transact(request.parts.store, lambda tx: version_acts.delete(tx, place, version_id))
    headers = [(_ID, version_id.encode()), (b"x-object-current-version-id", (current or "null").encode())]
    return wire.done(204, headers)


async def make_current(request: Request, version_id: str) -> Reply:
    place = wire.place(request)
    await writing.admitted(request, place)
    if request.header("content-length") not in (None, "0"):
        raise Invalid("version.body", "A version is made the current one with a zero byte body.")
    found = await transact(request.parts.store, lambda tx: version_acts.make_current(tx, place, version_id))
    headers = [
        (b"etag", found.etag.encode()),
        (b"last-modified", wire.http_date(found.modified_at)),
        (_ID, version_id.encode()),
    ]
    return wire.done(201, headers)


# -- lists


async def listed(tx: Tx, request: Request, home: Container, headers: Headers) -> Reply:
    wanted = listings.page(request)
    version = request.asked("version_marker") or ""
    wire.check_text(version)
    if version and not wanted.marker:
        raise Invalid("listing.version_marker", "version_marker param requires marker")
    if wanted.reverse or wanted.path is not None:
        raise Invalid("listing.versions", "Versions are listed forward, by prefix and delimiter.")
    found = await version_lists.page(
        tx, home, wanted.prefix, wanted.delimiter, after=(wanted.marker, version), most=wanted.limit
    )
    end = wanted.end_marker
    return _list(request, home, [one for one in found if not end or _name(one) < end], headers)


def _name(one: Entry | str) -> str:
    return one if isinstance(one, str) else one.name


def _list(request: Request, home: Container, found: list[Entry | str], headers: Headers) -> Reply:
    kind = listings.kind_of(request)
    if kind == wire.PLAIN:
        text = "".join(f"{_name(one)}\n" for one in found).encode(errors="replace")
        return Reply(200 if text else 204, text, headers, content_type=kind)
    rows = [{"subdir": one} if isinstance(one, str) else _row(one) for one in found]
    if "json" in kind:
        return Reply(200, encode(rows), headers, content_type=kind)
    inner = "".join(
        f"<subdir name={quoteattr(one)}><name>{escape(one)}</name></subdir>"
        if isinstance(one, str)
        else "<object>" + "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in _row(one).items())
        + "</object>"
        for one in found
    )  # fmt: skip
    page = f'<?xml version="1.0" encoding="UTF-8"?>\n<container name={quoteattr(home.name)}>{inner}</container>'
    return Reply(200, page.encode(errors="replace"), headers, content_type=kind)


def _row(one: Entry) -> dict[str, object]:
    return {
        "name": one.name,
        "version_id": one.version_id,
        "is_latest": one.current or (one.latest and one.marker),
        "hash": one.etag,
        "bytes": one.size,
        "content_type": one.content_type,
        "last_modified": listings.moment(one.modified_at),
    }
