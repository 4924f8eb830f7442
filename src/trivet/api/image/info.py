"""/v2/info: how images get in, where they are kept, and how much of the quota they take."""

from typing import Any

from trivet.api.image.sight import seen
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import copies, stores
from trivet.domain.images.imports import METHODS
from trivet.domain.limits import limits, quotas
from trivet.errors import NotFound
from trivet.settings import LOCAL
from trivet.store.store import transact

resource = Resource(names="image_id", seen=seen)


@resource.on("GET", "/v2/info/import", may="reader", tx="none")
async def imports(request: Request) -> Reply:
    methods = {"description": "Import methods available.", "type": "array", "value": METHODS}
    return Reply(200, {"import-methods": methods})


@resource.on("GET", "/v2/info/stores", may="reader", tx="none")
async def list_stores(request: Request) -> Reply:
    return Reply(200, {"stores": _stores(request)})


@resource.on("GET", "/v2/info/stores/detail", may="service", tx="none")
async def stores_in_detail(request: Request) -> Reply:
    folders = request.parts.settings.stores
    found = [
        store | {"type": "file", "weight": 0, "properties": {"data_dir": folders.get(store["id"], "blobs, under data")}}
        for store in _stores(request)
    ]
    return Reply(200, {"stores": found})


def _stores(request: Request) -> list[dict[str, Any]]:
    settings = request.parts.settings
    found: list[dict[str, Any]] = []
    for name in stores.names(settings):
        own = "Files of the cloud's own" if name == LOCAL else "Files in a folder of the operator's"
        found.append({"id": name, "description": own})
        if name == stores.default(settings):
            found[-1]["default"] = "true"
    return found


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


@resource.on("DELETE", "/v2/stores/{store_id}/{image_id}", may="member", tx="none")
async def delete_from_store(request: Request) -> Reply:
    image_id, store_id = request.values["image_id"], request.values["store_id"]
    key = await transact(request.parts.store, lambda tx: copies.remove(tx, request.caller, image_id, store_id))
    await request.parts.blobs.remove(key)
    return Reply(204)
