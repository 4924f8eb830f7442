"""/v2/images: register, list, show, change and delete images."""

from typing import cast

from trivet.api.image import wire
from trivet.api.image.paging import SORTING, SPELLING, links
from trivet.api.image.patches import read_patch
from trivet.api.image.sight import seen
from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.domain.images import images, stores
from trivet.domain.images import lists as image_lists
from trivet.domain.images.images import Image
from trivet.domain.images.imports import METHODS
from trivet.domain.images.lists import SORT_COLUMNS, MemberStatus, Query
from trivet.errors import Invalid, NotFound
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource(names="image_id", seen=seen)

_NO_FILTERS = ("tag", "limit", "marker", "member_status", "sort", "sort_key", "sort_dir")
_VISIBILITIES = ("public", "private", "shared", "community", "all")
_PATCH_TYPES = {
    "application/openstack-images-v2.0-json-patch": 4,
    "application/openstack-images-v2.1-json-patch": 10,
}


@resource.on("POST", "/v2/images", may="member", body_max=LONG_BODY_MAX)
async def create(request: Request) -> Reply:
    blank = Image(id=request.parts.ids.uuid(), project_id=request.caller.project_id)
    wanted = wire.read_create(request.read_object(), blank)
    image = await images.create(request.tx, request.caller, wanted)
    headers = [
        (b"location", f"{request.url}/v2/images/{image.id}".encode()),
        (b"openstack-image-import-methods", ",".join(METHODS).encode()),
        (b"openstack-image-store-ids", ",".join(stores.names(request.parts.settings)).encode()),
    ]
    return Reply(201, wire.view(image), headers)


@resource.on("GET", "/v2/images", may="reader")
async def index(request: Request) -> Reply:
    _refuse_empty_id(request)
    asked = lists.asked(request, SPELLING, lists.sort_of(request, SORTING, SORT_COLUMNS))
    found = await image_lists.find(request.tx, request.caller, _read_query(request), asked)
    body: dict[str, object] = {
        "images": [wire.show(request.parts, image) for image in found],
        "schema": "/v2/schemas/images",
    }
    return Reply(200, body | links(request, "/v2/images", [image.id for image in found]))


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


@resource.on("PATCH", "/v2/images/{image_id}", may="member", body_max=LONG_BODY_MAX)
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


def _read_query(request: Request) -> Query:
    filters = [(name, value) for name, value in request.query if name not in _NO_FILTERS]
    _check_filters(dict(filters))
    status = request.asked("member_status") or "accepted"
    if status not in ("pending", "accepted", "rejected", "all"):
        raise Invalid("query.member_status", f"Invalid status: {status[:64]}")
    return Query(
        filters=filters,
        tags=tuple(tag.strip() for tag in request.asked_all("tag")),
        member_status=cast(MemberStatus, status),
    )


def _check_filters(filters: dict[str, str]) -> None:
    visibility = filters.get("visibility")
    if visibility is not None and visibility not in _VISIBILITIES:
        raise Invalid("query.visibility", f"Invalid visibility value: {visibility[:64]}")
    if "changes-since" in filters:
        raise Invalid("query.changes_since", 'The "changes-since" filter is no longer available on v2.')
