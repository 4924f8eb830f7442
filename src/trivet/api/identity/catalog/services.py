"""/v3/services: what the catalog offers."""

from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Fields, LongName, Text, View
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.catalog import services
from trivet.domain.identity.catalog.services import SERVICES, Service
from trivet.store.where import Where

resource = Resource()


class ServiceFields(Fields, frozen=True):
    type: LongName | UnsetType = UNSET
    name: LongName | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


def view(request: Request, service: Service) -> View:
    shown = {**service.extra, "id": service.id, "type": service.type, "enabled": service.enabled}
    shown["name"] = service.name or ""
    if service.description is not None:
        shown["description"] = service.description
    return views.linked(request, f"services/{service.id}", shown)


@looks(resource, "/v3/services")
async def list_all(request: Request) -> Reply:
    columns, order = ("type", "name"), ("type", "id")
    return await views.page(request, "services", SERVICES, view, Where(), columns=columns, order=order)


@writes(resource, "POST", "/v3/services", may="admin")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "service", ServiceFields)
    given = fields.given()
    views.required(given, "type")
    new = Service(id=request.tx.ids.hex(), extra=extra, **given)
    return Reply(201, {"service": view(request, await services.create(request.tx, new))})


@looks(resource, "/v3/services/{service_id}")
async def show(request: Request) -> Reply:
    return Reply(200, {"service": view(request, await services.need(request.tx, request.values["service_id"]))})


@writes(resource, "PATCH", "/v3/services/{service_id}", may="admin")
async def update(request: Request) -> Reply:
    changes = views.changes(request, "service", ServiceFields, some=True)
    changed = await services.update(request.tx, request.values["service_id"], changes)
    return Reply(200, {"service": view(request, changed)})


@writes(resource, "DELETE", "/v3/services/{service_id}", may="admin")
async def delete(request: Request) -> Reply:
    await services.delete(request.tx, request.values["service_id"])
    return Reply(204)
