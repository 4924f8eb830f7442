"""Web pages: a container that its owner shows to browsers, with an index, lists of what is in it, and pages for errors.

Only for who comes without a token, as a browser does, or says `X-Web-Mode: true`.
"""

from collections.abc import Sequence
from html import escape

from trivet.api.kit.request import Reply, Request
from trivet.api.object import door, listings, reading, wire
from trivet.domain.objects import containers, listing, objects
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.listing import Page
from trivet.domain.objects.objects import Listed, Place
from trivet.errors import Forbidden, NotFound, TrivetError

_INDEX, _LISTINGS, _ERROR, _CSS, _LABEL = (
    f"{containers.META}web-{name}" for name in ("index", "listings", "error", "listings-css", "listings-label")
)
_TRUE = ("true", "1", "yes", "on", "t", "y")


def asked_for(request: Request) -> bool:
    if b"x-web-mode" in request.headers:
        return (request.header("x-web-mode") or "").lower() in _TRUE
    return b"x-auth-token" not in request.headers and not request.query_string


async def of_container(request: Request, place: Place) -> Reply | None:
    """Its index, or its list as a page; None: it has neither."""
    if not asked_for(request):
        return None
    async with request.parts.store.read() as tx:
        home = await containers.find(tx, place.project_id, place.container)
    if home is None or not (home.metadata.get(_INDEX) or _lists(home)):
        return None
    return await _folder(request, place, home, "")


async def of_object(request: Request, place: Place, error: TrivetError) -> Reply | None:
    """For a name that is not there: the folder's index or list, or the page for errors."""
    if not asked_for(request) or not isinstance(error, NotFound | Forbidden):
        return None
    async with request.parts.store.read() as tx:
        home = await containers.find(tx, place.project_id, place.container)
    if home is None:
        return None
    if isinstance(error, NotFound) and (home.metadata.get(_INDEX) or _lists(home)):
        folder = place.name if place.name.endswith("/") else f"{place.name}/"
        async with request.parts.store.read() as tx:
            inside = await listing.of_container(tx, home, Page(limit=1, prefix=folder))
        if inside and folder != place.name:
            location = wire.url_quoted(f"{request.path}/").encode()
            return Reply(301, b"", [(b"location", location)], content_type=wire.HTML)
        if inside:
            return await _folder(request, place, home, folder)
    return await _error_page(request, place, home, error)


async def _folder(request: Request, place: Place, home: Container, folder: str) -> Reply | None:
    index = home.metadata.get(_INDEX)
    if index:
        found = await _shown(request, Place(place.project_id, place.container, folder + index))
        if found is not None:
            return found
    if not _lists(home):
        return None
    async with request.parts.store.read() as tx:
        try:
            await door.container(tx, request, place, Right.READ)
        except Forbidden as error:
            return await _error_page(request, place, home, error)
        entries = await listing.of_container(tx, home, Page(prefix=folder, delimiter="/"))
    return Reply(200, _page(request, home, folder, entries).encode(errors="replace"), content_type=wire.HTML)


async def _shown(request: Request, place: Place) -> Reply | None:
    async with request.parts.store.read() as tx:
        home, found = await objects.find_both(tx, place)
        if home is None or found is None:
            return None
        await door.check_object(tx, request, place, home, Right.READ)
    return await reading.of(request, place, home, found)


async def _error_page(request: Request, place: Place, home: Container, error: TrivetError) -> Reply | None:
    suffix = home.metadata.get(_ERROR)
    if not suffix:
        return None
    page = Place(place.project_id, place.container, f"{error.http_status}{suffix}")
    try:
        found = await _shown(request, page)
    except Forbidden:
        return None
    if found is not None:
        found.status = error.http_status
    return found


def _lists(home: Container) -> bool:
    return home.metadata.get(_LISTINGS, "").lower() in _TRUE


def _page(request: Request, home: Container, folder: str, entries: Sequence[Listed | str]) -> str:
    path = request.path
    title = escape(f"Listing of {home.metadata.get(_LABEL) or path}")
    css = home.metadata.get(_CSS, "")
    up = "../" * folder.count("/")
    style = (
        f'<link rel="stylesheet" type="text/css" href="{escape(up + css if "://" not in css else css)}" />'
        if css
        else "<style>th, td {padding: 0 1em 0 0; text-align: left}</style>"
    )
    lines = ['<tr class="item subdir"><td colspan="3"><a href="../">../</a></td></tr>'] if folder else []
    for entry in entries:
        name = entry if isinstance(entry, str) else entry.name
        shown = name[len(folder) :]
        link = f'<a href="{wire.url_quoted(shown)}">{escape(shown)}</a>'
        if isinstance(entry, str):
            lines.append(f'<tr class="item subdir"><td colspan="3">{link}</td></tr>')
        elif shown:
            size, at = entry.size, listings.moment(entry.modified_at)
            lines.append(f'<tr class="item"><td>{link}</td><td>{size}</td><td>{at}</td></tr>')
    return (
        f"<!DOCTYPE html>\n<html>\n<head>\n<title>{title}</title>\n{style}\n</head>\n<body>\n"
        f'<h1 id="title">{title}</h1>\n<table id="listing">\n'
        "<tr><th>Name</th><th>Size</th><th>Date</th></tr>\n" + "\n".join(lines) + "\n</table>\n</body>\n</html>\n"
    )
