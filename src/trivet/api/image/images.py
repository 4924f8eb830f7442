"""/v2/images: register, list, show, change and delete images."""

from typing import cast
from urllib.parse import urlencode

from trivet.api.image import wire
from trivet.api.image.patches import read_patch
from trivet.api.image.sight import seen
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import images
from trivet.domain.images import lists as image_lists
from trivet.domain.images.images import STORE, Image
from trivet.domain.images.imports import METHODS
from trivet.domain.images.lists import SORT_COLUMNS, MemberStatus, Query
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid, NotFound
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource(names="image_id", seen=seen)

_PAGE = 25
_PAGE_MAX = 1000
_VISIBILITIES = ("public", "private", "shared", "community", "all")
_PATCH_TYPES = {
    "application/openstack-images-v2.0-json-patch": 4,
    "application/openstack-images-v2.1-json-patch": 10,
}


@resource.on("POST", "/v2/images", may="member")
async def create(request: Request) -> Reply:
    blank = Image(id=request.parts.ids.uuid(), project_id=request.caller.project_id)
    wanted = wire.read_create(request.read_object(), blank)
    image = await images.create(request.tx, request.caller, wanted)
    headers = [
        (b"location", f"{request.url}/v2/images/{image.id}".encode()),
        (b"openstack-image-import-methods", ",".join(METHODS).encode()),
        (b"openstack-image-store-ids", STORE.encode()),
    ]
    return Reply(201, wire.view(image), headers)


@resource.on("GET", "/v2/images", may="reader")
async def index(request: Request) -> Reply:
    _refuse_empty_id(request)
    query = await _read_query(request)
    found = await image_lists.find(request.tx, request.caller, query) if query.limit else []
    said = [(name, value) for name, value in request.query if name != "marker"]
    body: dict[str, object] = {
        "images": [wire.show(request.parts, image) for image in found],
        "first": "/v2/images" + (f"?{urlencode(said)}" if said else ""),
        "schema": "/v2/schemas/images",
    }
    if found and len(found) == query.limit:
        body["next"] = f"/v2/images?{urlencode([*said, ('marker', found[-1].id)])}"
    return Reply(200, body)


@resource.on("DELETE", "/v2/images", may="member", tx="none")
async def delete_none(request: Request) -> Reply:
    _refuse_empty_id(request)
    raise Invalid("method.not_allowed", "Images are deleted one by one.", status=405, allow="GET, HEAD, POST")


def _refuse_empty_id(request: Request) -> None:
    """Behind the slash belongs an id; clients that have none must not take the list for an image."""
    if request.path.endswith("/"):
        raise NotFound("image.absent", "No image found with ID ''")


@resource.on("GET", "/v2/images/{image_id}", may="reader")
async def show(request: Request) -> Reply:
    image = await images.visible(request.tx, request.caller, request.values["image_id"])
    return Reply(200, wire.show(request.parts, image))


@resource.on("PATCH", "/v2/images/{image_id}", may="member")
async def update(request: Request) -> Reply:
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    draft = _PATCH_TYPES.get(kind)
    if draft is None:
        raise Invalid("patch.type", f"Image PATCH expects Content-Type one of: {', '.join(_PATCH_TYPES)}", status=415)
    changes = read_patch(request.body, draft)
    image = await images.owned(request.tx, request.caller, request.values["image_id"])
    wanted = image
    for change in changes:
        wanted = change.applied_to(wanted)
    return Reply(200, wire.view(await images.update(request.tx, request.caller, image, wanted)))


@resource.on("DELETE", "/v2/images/{image_id}", may="member", tx="none")
async def delete(request: Request) -> Reply:
    async def act(tx: Tx) -> tuple[str, ...]:
        return await images.delete(tx, request.caller, request.values["image_id"])

    keys = await transact(request.parts.store, act)
    for key in keys:
        await request.parts.blobs.remove(key)
    return Reply(204)


# -- what a list was asked for


async def _read_query(request: Request) -> Query:
    filters: list[tuple[str, str]] = []
    tags: list[str] = []
    plain: dict[str, str] = {}
    for name, value in request.query:
        if name == "tag":
            tags.append(value.strip())
        elif name in ("limit", "marker", "member_status", "sort"):
            plain[name] = value
        elif name not in ("sort_key", "sort_dir"):
            filters.append((name, value))
    _check_filters(dict(filters))
    status = plain.get("member_status", "accepted")
    if status not in ("pending", "accepted", "rejected", "all"):
        raise Invalid("query.member_status", f"Invalid status: {status[:64]}")
    return Query(
        filters=filters,
        tags=tuple(tags),
        member_status=cast(MemberStatus, status),
        sort=_sort(request, plain.get("sort")),
        marker=await _marker(request, plain.get("marker")),
        limit=_limit(plain.get("limit")),
    )


def _check_filters(filters: dict[str, str]) -> None:
    visibility = filters.get("visibility")
    if visibility is not None and visibility not in _VISIBILITIES:
        raise Invalid("query.visibility", f"Invalid visibility value: {visibility[:64]}")
    if "changes-since" in filters:
        raise Invalid("query.changes_since", 'The "changes-since" filter is no longer available on v2.')


def _limit(text: str | None) -> int:
    if text is None:
        return _PAGE
    number = whole_number(text.removeprefix("-"))
    if number is None:
        raise Invalid("query.limit", "limit param must be an integer")
    if number and text.startswith("-"):
        raise Invalid("query.limit", "limit param must be positive")
    return min(number, _PAGE_MAX)


async def _marker(request: Request, id: str | None) -> Image | None:
    if id is None:
        return None
    try:
        return await images.visible(request.tx, request.caller, id)
    except NotFound as error:
        raise Invalid("query.marker", f"The marker {id[:64]} is no image that you can see.") from error


def _sort(request: Request, text: str | None) -> tuple[tuple[str, bool], ...]:
    """`sort=name:asc,size` or, the older way, sort_key and sort_dir as often as one likes."""
    keys, directions = request.asked_all("sort_key"), request.asked_all("sort_dir")
    if text is not None:
        if keys or directions:
            raise Invalid("query.sort", "Old and new sorting syntax cannot be combined")
        pairs = [part.strip().partition(":") for part in text.split(",")]
        keys = [key.strip() for key, _, _ in pairs]
        directions = [direction.strip() or "desc" for _, _, direction in pairs]
    keys = keys or ["created_at"]
    if len(directions) <= 1:
        directions = (directions or ["desc"]) * len(keys)
    if len(directions) != len(keys):
        raise Invalid("query.sort", "Number of sort dirs does not match the number of sort keys")
    for key, direction in zip(keys, directions, strict=True):
        if key not in SORT_COLUMNS:
            raise Invalid(
                "query.sort",
                f"Invalid sort key: {key[:64]}. It must be one of the following: {', '.join(SORT_COLUMNS)}.",
            )
        if direction not in ("asc", "desc"):
            raise Invalid("query.sort", f"Invalid sort direction: {direction[:64]}")
    return tuple((key, direction == "desc") for key, direction in zip(keys, directions, strict=True))
