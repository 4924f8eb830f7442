"""/v3/limits: what one project or one domain may use."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.limits.registered_limits import FILTERS, Amount
from trivet.api.identity.views import Id, LongName, Text, View, given
from trivet.api.identity.writing import writes
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.limits import limit_rules, limits
from trivet.domain.limits.limit_rules import Shown
from trivet.domain.limits.limits import LIMITS
from trivet.errors import Invalid


async def _there(request: Request) -> Shown:
    return await limit_rules.need(request.tx, request.values["limit_id"])


resource = Resource(names="limit_id", seen=_there)

_MODELS = {
    "flat": "Limit enforcement and validation does not take project hierarchy into consideration.",
    "strict_two_level": "What a project uses counts in the scope above it, and nobody is allowed more than that has.",
}


class NewLimit(Body, frozen=True):
    service_id: Id
    resource_name: LongName
    resource_limit: Amount
    project_id: Id | None = None
    domain_id: Id | None = None
    region_id: str | None = None
    description: Text | None = None


class NewLimits(Body, frozen=True):
    limits: Annotated[list[NewLimit], msgspec.Meta(min_length=1, max_length=1000)]


class LimitChange(Body, frozen=True):
    resource_limit: Amount | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


class LimitChangeBody(Body, frozen=True):
    limit: LimitChange


def view(request: Request, shown: Shown) -> View:
    limit = shown.limit
    found = {
        "id": limit.id,
        "project_id": None if shown.of_domain else limit.scope_id,
        "domain_id": limit.scope_id if shown.of_domain else None,
        "service_id": limit.service_id,
        "region_id": limit.region_id,
        "resource_name": limit.resource_name,
        "resource_limit": limit.resource_limit,
        "description": limit.description,
    }
    return views.linked(request, f"limits/{limit.id}", found)


@resource.on("GET", "/v3/limits/model", may="token", decides="anyone")
async def show_model(request: Request) -> Reply:
    name = await limits.model(request.tx)
    return Reply(200, {"model": {"name": name, "description": _MODELS[name]}})


@resource.on("GET", "/v3/limits", may="token", decides="scope")
async def list_all(request: Request) -> Reply:
    where = limit_rules.listed(request.caller, request.asked("project_id"), request.asked("domain_id"))
    found = await views.find(request, LIMITS, where, columns=FILTERS, order=("id",))
    shown = [view(request, one) for one in await limit_rules.shown(request.tx, found.records)]
    return views.paged(request, "limits", shown, truncated=found.truncated)


@writes(resource, "POST", "/v3/limits", may="admin")
async def create(request: Request) -> Reply:
    made = []
    for wanted in request.read(NewLimits).limits:
        scope_id = wanted.project_id or wanted.domain_id
        if scope_id is None or (wanted.project_id and wanted.domain_id):
            raise Invalid("limit.scope", "A limit is for one project or for one domain.")
        shown = await limit_rules.create(
            request.tx,
            scope_id=scope_id,
            is_domain=wanted.domain_id is not None,
            service_id=wanted.service_id,
            region_id=wanted.region_id,
            resource_name=wanted.resource_name,
            resource_limit=wanted.resource_limit,
            description=wanted.description,
        )
        made.append(view(request, shown))
    return Reply(201, {"limits": made})


@resource.on("GET", "/v3/limits/{limit_id}", may="token", decides="scope")
async def show(request: Request) -> Reply:
    found = await limit_rules.visible(request.tx, request.caller, request.values["limit_id"])
    return Reply(200, {"limit": view(request, found)})


@writes(resource, "PATCH", "/v3/limits/{limit_id}", may="admin")
async def update(request: Request) -> Reply:
    changes = given(request.read(LimitChangeBody).limit)
    changed = await limit_rules.update(request.tx, request.values["limit_id"], changes)
    return Reply(200, {"limit": view(request, changed)})


@writes(resource, "DELETE", "/v3/limits/{limit_id}", may="admin")
async def delete(request: Request) -> Reply:
    await limit_rules.delete(request.tx, request.values["limit_id"])
    return Reply(204)
