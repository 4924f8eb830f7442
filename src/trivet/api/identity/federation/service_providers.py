"""/v3/OS-FEDERATION/service_providers: clouds elsewhere where our users are known."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Text, View, given
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.people import federation
from trivet.domain.identity.people.federation import SERVICE_PROVIDERS, ServiceProvider
from trivet.store.where import Where

resource = Resource()

_ALL = "/v3/OS-FEDERATION/service_providers"
_ONE = "/v3/OS-FEDERATION/service_providers/{sp_id}"
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=r"^[a-zA-Z][a-zA-Z0-9+.-]*://")]


class ProviderFields(Body, frozen=True):
    auth_url: Url | UnsetType = UNSET
    sp_url: Url | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    relay_state_prefix: Text | UnsetType = UNSET


class ProviderBody(Body, frozen=True):
    service_provider: ProviderFields


def view(request: Request, provider: ServiceProvider) -> View:
    shown = {
        "id": provider.id,
        "auth_url": provider.auth_url,
        "sp_url": provider.sp_url,
        "enabled": provider.enabled,
        "description": provider.description,
        "relay_state_prefix": provider.relay_state_prefix,
    }
    return views.linked(request, f"OS-FEDERATION/service_providers/{provider.id}", shown)


def _given(request: Request) -> dict[str, Any]:
    return given(request.read(ProviderBody).service_provider)


@looks(resource, _ALL)
async def list_all(request: Request) -> Reply:
    columns, order = ("id", "enabled"), ("id",)
    return await views.page(
        request, "service_providers", SERVICE_PROVIDERS, view, Where(), columns=columns, order=order
    )


@writes(resource, "PUT", _ONE, may="admin")
async def create(request: Request) -> Reply:
    fields = _given(request)
    views.required(fields, "auth_url", "sp_url")
    new = ServiceProvider(id=request.values["sp_id"], **fields)
    return Reply(201, {"service_provider": view(request, await federation.create_service_provider(request.tx, new))})


@looks(resource, _ONE)
async def show(request: Request) -> Reply:
    found = await federation.need_service_provider(request.tx, request.values["sp_id"])
    return Reply(200, {"service_provider": view(request, found)})


@writes(resource, "PATCH", _ONE, may="admin")
async def update(request: Request) -> Reply:
    found = await federation.need_service_provider(request.tx, request.values["sp_id"])
    changed = await federation.change_service_provider(request.tx, found, _given(request))
    return Reply(200, {"service_provider": view(request, changed)})


@writes(resource, "DELETE", _ONE, may="admin")
async def delete(request: Request) -> Reply:
    found = await federation.need_service_provider(request.tx, request.values["sp_id"])
    await federation.delete_service_provider(request.tx, found)
    return Reply(204)
