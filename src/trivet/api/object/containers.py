"""/v1/{account}/{container}: what is in it, whom it is shared with, and its coming and going."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.object import bulk, cors, door, form_posts, listings, versioned, web_pages, wire
from trivet.api.object.wire import Headers
from trivet.domain.objects import access, acts, containers, listing, names, versions
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()

_PATH = "/v1/{account}/{container}"
_LISTS = (containers.READ, containers.WRITE)
_KEPT = (containers.META, *_LISTS, "x-container-sync-key", "x-container-sync-to", versions.STACK, versions.HISTORY)
_SECRET = (*_LISTS, "x-container-sync-key", "x-container-sync-to", f"{containers.META}temp-url-key",
           f"{containers.META}temp-url-key-2")  # fmt: skip
_VERSIONED = "x-versions-enabled"
_TRUE = ("true", "1", "yes", "on", "t", "y")


@resource.on("GET", _PATH, may="shared", tx="none")
async def get(request: Request) -> Reply:
    place = wire.place(request)
    page = await web_pages.of_container(request, place)
    if page is not None:
        return page
    async with request.parts.store.read() as tx:
        home, right = await door.container(tx, request, place, Right.READ)
        if request.query_string and request.asked("versions") is not None:
            return await versioned.listed(tx, request, home, _headers(request, home, right))
        kind = listings.kind_of(request)
        found = await listing.of_container(tx, home, listings.page(request))
    return listings.of_container(kind, home, found, _headers(request, home, right))


@resource.on("HEAD", _PATH, may="shared", tx="none")
async def head(request: Request) -> Reply:
    place = wire.place(request)
    page = await web_pages.of_container(request, place)
    if page is not None:
        return page
    async with request.parts.store.read() as tx:
        home, right = await door.container(tx, request, place, Right.READ)
    return Reply(204, b"", _headers(request, home, right), content_type=listings.kind_of(request))


def _headers(request: Request, home: Container, right: Right) -> Headers:
    shown = {name: value for name, value in home.metadata.items() if right == Right.OWNER or name not in _SECRET}
    found = [
        (b"x-container-object-count", str(max(0, home.object_count)).encode()),
        (b"x-container-bytes-used", str(max(0, home.bytes_used)).encode()),
        (b"x-timestamp", wire.stamp(home.created_at)),
        (b"last-modified", wire.http_date(home.updated_at)),
        (b"accept-ranges", b"bytes"),
        (b"x-storage-policy", names.POLICY.encode()),
        *wire.encoded(shown),
    ]
    if home.versioned:
        found.append((_VERSIONED.encode(), b"True"))
    return found + cors.headers(request, home, found)


@resource.on("PUT", _PATH, may="shared", tx="none", stream=True)
async def put(request: Request) -> Reply:
    place = wire.place(request)
    if request.asked("extract-archive") is not None:
        return await bulk.extract(request)
    changes, versioned = _changes(request)

    async def act(tx: Tx) -> bool:
        await door.account(tx, request, place, _needed(changes))
        await _check_archive(tx, place.project_id, changes)
        return await containers.put(tx, place.project_id, place.container, changes, versioned=versioned)

    return wire.done(201 if await transact(request.parts.store, act) else 202)


@resource.on("POST", _PATH, may="shared", tx="none", stream=True)
async def post(request: Request) -> Reply:
    place = wire.place(request)
    if (request.header("content-type") or "").startswith("multipart/form-data"):
        return await form_posts.take(request, place)
    changes, versioned = _changes(request)

    async def act(tx: Tx) -> None:
        await door.account(tx, request, place, _needed(changes))
        await _check_archive(tx, place.project_id, changes)
        home = await containers.need(tx, place.project_id, place.container)
        await containers.describe(tx, home, changes, versioned=versioned)

    await transact(request.parts.store, act)
    return wire.done(204)


@resource.on("DELETE", _PATH, may="shared")
async def delete(request: Request) -> Reply:
    place = wire.place(request)
    await door.account(request.tx, request, place, Right.WRITE)
    await acts.delete_container(request.tx, place)
    return wire.done(204)


@resource.on("OPTIONS", _PATH, may="public")
async def options(request: Request) -> Reply:
    place = wire.place(request)
    return cors.preflight(request, await containers.find(request.tx, place.project_id, place.container))


def _needed(changes: dict[str, str]) -> Right:
    """Who may, and by which key, the owner says."""
    return Right.WRITE if changes.keys().isdisjoint(_SECRET) else Right.OWNER


def _changes(request: Request) -> tuple[dict[str, str], bool | None]:
    changes = wire.said(request, *_KEPT)
    for name in _LISTS:
        if changes.get(name):
            changes[name] = access.cleaned(name, changes[name])
    if changes.get(versions.STACK) and changes.get(versions.HISTORY):
        raise Invalid("versions.location", "Only one of X-Versions-Location and X-History-Location may be said.")
    for one, other in ((versions.STACK, versions.HISTORY), (versions.HISTORY, versions.STACK)):
        if changes.get(one):
            changes[one] = wire.path_container(changes[one])
            changes[other] = ""
    said = request.header(_VERSIONED)
    return changes, None if said is None else said.strip().lower() in _TRUE


async def _check_archive(tx: Tx, project_id: str, changes: dict[str, str]) -> None:
    for name in (versions.STACK, versions.HISTORY):
        if changes.get(name) and "/" in changes[name]:
            raise Invalid("versions.location", "The versions' container is named without a slash.", status=412)
