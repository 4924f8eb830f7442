"""/v2/info: how images get in, where they are kept, and how much of the quota they take."""

from trivet.api.image.sight import seen
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import images
from trivet.domain.images.images import STORE
from trivet.domain.images.imports import METHODS
from trivet.domain.limits import limits, quotas
from trivet.errors import Forbidden, NotFound

resource = Resource(names="image_id", seen=seen)


@resource.on("GET", "/v2/info/import", may="reader", tx="none")
async def imports(request: Request) -> Reply:
    methods = {"description": "Import methods available.", "type": "array", "value": METHODS}
    return Reply(200, {"import-methods": methods})


@resource.on("GET", "/v2/info/stores", may="reader", tx="none")
async def stores(request: Request) -> Reply:
    return Reply(200, {"stores": [{"id": STORE, "description": "Files of the cloud's own", "default": "true"}]})


@resource.on("GET", "/v2/info/stores/detail", may="service", tx="none")
async def stores_in_detail(request: Request) -> Reply:
    store = {
        "id": STORE,
        "description": "Files of the cloud's own",
        "default": "true",
        "type": "file",
        "weight": 0,
        "properties": {},
    }
    return Reply(200, {"stores": [store]})


@resource.on("GET", "/v2/info/usage", may="reader")
async def usage(request: Request) -> Reply:
    project_id = request.caller.project_id
    if project_id is None:
        raise NotFound("usage.no_project", "Usage is told of a project; the token is of none.")
    found = {}
    for name in ("image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"):
        found[name] = {
            "limit": await limits.limit_of(request.tx, project_id, name),
            "usage": await quotas.used(request.tx, project_id, name),
        }
    return Reply(200, {"usage": found})


@resource.on("DELETE", "/v2/stores/{store_id}/{image_id}", may="admin")
async def delete_from_store(request: Request) -> Reply:
    """The last copy is never removed this way, and there is one store: there is nothing that could be removed."""
    image = await images.visible(request.tx, request.caller, request.values["image_id"])
    if request.values["store_id"] != STORE or image.blob_key is None:
        raise NotFound("store.absent", f"Image {image.id} is not in a store {request.values['store_id'][:64]!r}.")
    raise Forbidden("store.last", f"Cannot delete image from its last store: delete image {image.id} itself.")
