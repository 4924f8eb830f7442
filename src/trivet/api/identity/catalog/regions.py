"""/v3/regions"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Fields, Text, View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.catalog import regions
from trivet.domain.identity.catalog.regions import REGIONS, Region
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()

RegionId = Annotated[str, msgspec.Meta(max_length=255)]


class RegionFields(Fields, frozen=True):
    parent_region_id: RegionId | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


def view(request: Request, region: Region) -> View:
    shown = {
        **region.extra,
        "id": region.id,
        "parent_region_id": region.parent_id,
        "description": region.description,
    }
    return views.linked(request, f"regions/{region.id}", shown)


@resource.on("GET", "/v3/regions", may="token", decides="anyone")
async def list_all(request: Request) -> Reply:
    columns = {"parent_region_id": "parent_id"}
    return await views.page(request, "regions", REGIONS, view, Where(), columns=columns, order=("id",))


@writes(resource, "POST", "/v3/regions", may="admin")
async def create(request: Request) -> Reply:
    return await _create(request, None)


@writes(resource, "PUT", "/v3/regions/{region_id}", may="admin")
async def create_named(request: Request) -> Reply:
    return await _create(request, request.values["region_id"])


async def _create(request: Request, id: str | None) -> Reply:
    fields, extra = views.read(request, "region", RegionFields)
    said = request.read_object()["region"].get("id")
    if said is not None and not (isinstance(said, str) and len(said) <= 255):
        raise Invalid("body.invalid", "Invalid input: id must be a string of at most 255 characters.")
    if id is not None and said is not None and said != id:
        raise Invalid("region.id", "Conflicting region IDs specified.")
    new = Region(
        id=id or said or request.tx.ids.hex(),
        parent_id=fields.parent_region_id or None,
        description=fields.description or "",
        extra=extra,
    )
    return Reply(201, {"region": view(request, await regions.create(request.tx, new))})


@resource.on("GET", "/v3/regions/{region_id}", may="token", decides="anyone")
async def show(request: Request) -> Reply:
    return Reply(200, {"region": view(request, await regions.need(request.tx, request.values["region_id"]))})


@writes(resource, "PATCH", "/v3/regions/{region_id}", may="admin")
async def update(request: Request) -> Reply:
    fields, extra = views.read(request, "region", RegionFields)
    views.check_change(request, "region")
    given = fields.given()
    changes: dict[str, Any] = {"extra": extra} if extra else {}
    if "parent_region_id" in given:
        changes["parent_id"] = given["parent_region_id"]
    if "description" in given:
        changes["description"] = given["description"] or ""
    return Reply(200, {"region": view(request, await regions.update(request.tx, request.values["region_id"], changes))})


@writes(resource, "DELETE", "/v3/regions/{region_id}", may="admin")
async def delete(request: Request) -> Reply:
    await regions.delete(request.tx, request.values["region_id"])
    return Reply(204)
