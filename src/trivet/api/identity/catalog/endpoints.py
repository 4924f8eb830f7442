"""/v3/endpoints: where services answer."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Fields, Id, Text, View
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.catalog import endpoints, regions
from trivet.domain.identity.catalog.endpoints import ENDPOINTS, Endpoint, Interface
from trivet.store.tx import Tx
from trivet.store.where import Where

resource = Resource()

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=r"^(/|[a-zA-Z][a-zA-Z0-9+.-]*:)")]
_FILTERS = {name: name for name in ("interface", "service_id", "region_id", "enabled")} | {"region": "region_id"}


class EndpointFields(Fields, frozen=True):
    service_id: Id | UnsetType = UNSET
    region_id: str | UnsetType | None = UNSET
    region: str | UnsetType | None = UNSET
    interface: Interface | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


def view(request: Request, endpoint: Endpoint) -> View:
    shown = {
        **endpoint.extra,
        "id": endpoint.id,
        "service_id": endpoint.service_id,
        "region_id": endpoint.region_id,
        "region": endpoint.region_id,
        "interface": endpoint.interface,
        "url": endpoints.address(endpoint.url, request.parts.settings.url),
        "enabled": endpoint.enabled,
    }
    return views.linked(request, f"endpoints/{endpoint.id}", shown)


@looks(resource, "/v3/endpoints")
async def list_all(request: Request) -> Reply:
    order = ("service_id", "interface", "id")
    return await views.page(request, "endpoints", ENDPOINTS, view, Where(), columns=_FILTERS, order=order)


async def _changes(request: Request, tx: Tx) -> dict[str, Any]:
    fields, extra = views.read(request, "endpoint", EndpointFields)
    given = fields.given()
    old_style = given.pop("region", None)
    if old_style is not None and given.get("region_id") is None:
        # As clients did before regions were things of their own: the name makes the region.
        await regions.ensure(tx, old_style)
        given["region_id"] = old_style
    extra |= {name: given.pop(name) for name in ("name", "description") if name in given}
    return given | ({"extra": extra} if extra else {})


@writes(resource, "POST", "/v3/endpoints", may="admin")
async def create(request: Request) -> Reply:
    given = await _changes(request, request.tx)
    views.required(given, "service_id", "interface", "url")
    new = Endpoint(**{"id": request.tx.ids.hex(), "region_id": None, **given})
    return Reply(201, {"endpoint": view(request, await endpoints.create(request.tx, new))})


@looks(resource, "/v3/endpoints/{endpoint_id}")
async def show(request: Request) -> Reply:
    return Reply(200, {"endpoint": view(request, await endpoints.need(request.tx, request.values["endpoint_id"]))})


@writes(resource, "PATCH", "/v3/endpoints/{endpoint_id}", may="admin")
async def update(request: Request) -> Reply:
    changes = await _changes(request, request.tx)
    views.check_change(request, "endpoint")
    changed = await endpoints.update(request.tx, request.values["endpoint_id"], changes)
    return Reply(200, {"endpoint": view(request, changed)})


@writes(resource, "DELETE", "/v3/endpoints/{endpoint_id}", may="admin")
async def delete(request: Request) -> Reply:
    await endpoints.delete(request.tx, request.values["endpoint_id"])
    return Reply(204)
