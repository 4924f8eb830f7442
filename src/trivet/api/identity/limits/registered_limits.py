"""/v3/registered_limits: defaults of limits."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Id, LongName, Text, View, given
from trivet.api.identity.writing import writes
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.limits import registered_limits
from trivet.domain.limits.limits import REGISTERED_LIMITS, RegisteredLimit
from trivet.store.where import Where

resource = Resource()

Amount = Annotated[int, msgspec.Meta(ge=-1, le=2_147_483_647)]
FILTERS = ("service_id", "region_id", "resource_name")


class NewLimit(Body, frozen=True):
    service_id: Id
    resource_name: LongName
    default_limit: Amount
    region_id: str | None = None
    description: Text | None = None


class NewLimits(Body, frozen=True):
    registered_limits: Annotated[list[NewLimit], msgspec.Meta(min_length=1, max_length=1000)]


class LimitChange(Body, frozen=True):
    service_id: Id | UnsetType = UNSET
    resource_name: LongName | UnsetType = UNSET
    default_limit: Amount | UnsetType = UNSET
    region_id: str | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class LimitChangeBody(Body, frozen=True):
    registered_limit: LimitChange


def view(request: Request, limit: RegisteredLimit) -> View:
    shown = {
        "id": limit.id,
        "service_id": limit.service_id,
        "region_id": limit.region_id,
        "resource_name": limit.resource_name,
        "default_limit": limit.default_limit,
        "description": limit.description,
    }
    return views.linked(request, f"registered_limits/{limit.id}", shown)


@resource.on("GET", "/v3/registered_limits", may="token", decides="anyone")
async def list_all(request: Request) -> Reply:
    order = ("resource_name", "id")
    return await views.page(
        request, "registered_limits", REGISTERED_LIMITS, view, Where(), columns=FILTERS, order=order
    )


@writes(resource, "POST", "/v3/registered_limits", may="admin")
async def create(request: Request) -> Reply:
    made = []
    for wanted in request.read(NewLimits).registered_limits:
        new = RegisteredLimit(id=request.tx.ids.hex(), **given(wanted))
        made.append(view(request, await registered_limits.create(request.tx, new)))
    return Reply(201, {"registered_limits": made})


@resource.on("GET", "/v3/registered_limits/{registered_limit_id}", may="token", decides="anyone")
async def show(request: Request) -> Reply:
    found = await registered_limits.need(request.tx, request.values["registered_limit_id"])
    return Reply(200, {"registered_limit": view(request, found)})


@writes(resource, "PATCH", "/v3/registered_limits/{registered_limit_id}", may="admin")
async def update(request: Request) -> Reply:
    changes = given(request.read(LimitChangeBody).registered_limit)
    changed = await registered_limits.update(request.tx, request.values["registered_limit_id"], changes)
    return Reply(200, {"registered_limit": view(request, changed)})


@writes(resource, "DELETE", "/v3/registered_limits/{registered_limit_id}", may="admin")
async def delete(request: Request) -> Reply:
    await registered_limits.delete(request.tx, request.values["registered_limit_id"])
    return Reply(204)
