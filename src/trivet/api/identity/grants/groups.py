"""/v3/groups: users that get roles together."""

from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Fields, Id, ShortName, Text, View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity import personas
from trivet.domain.identity.grants import groups
from trivet.domain.identity.grants.groups import GROUPS, Group
from trivet.domain.identity.people import users

resource = Resource()


class GroupFields(Fields, frozen=True):
    name: ShortName | UnsetType = UNSET
    domain_id: Id | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


def view(request: Request, group: Group) -> View:
    shown = {
        **group.extra,
        "id": group.id,
        "name": group.name,
        "domain_id": group.domain_id,
        "description": group.description,
    }
    return views.linked(request, f"groups/{group.id}", shown)


@resource.on("GET", "/v3/groups", may="token", decides="domain")
async def list_all(request: Request) -> Reply:
    where = personas.listed(request.caller, "identity:list_groups")
    return await views.page(request, "groups", GROUPS, view, where, columns=("name", "domain_id", "id"))


@writes(resource, "POST", "/v3/groups", may="token", decides="domain")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "group", GroupFields)
    given = fields.given()
    personas.need_manage(request.caller, given.get("domain_id"), "identity:create_group")
    views.required(given, "name")
    new = Group(
        id=request.tx.ids.hex(),
        name=given["name"],
        domain_id=given.get("domain_id") or users.default_domain(request.caller),
        description=given.get("description") or "",
        extra=extra,
    )
    return Reply(201, {"group": view(request, await groups.create(request.tx, new))})


@resource.on("GET", "/v3/groups/{group_id}", may="token", decides="domain")
async def show(request: Request) -> Reply:
    found = await groups.visible(request.tx, request.caller, request.values["group_id"])
    return Reply(200, {"group": view(request, found)})


@writes(resource, "PATCH", "/v3/groups/{group_id}", may="token", decides="domain")
async def update(request: Request) -> Reply:
    changes = views.changes(request, "group", GroupFields)
    if "description" in changes:
        changes["description"] = changes["description"] or ""
    changed = await groups.update(request.tx, request.caller, request.values["group_id"], changes)
    return Reply(200, {"group": view(request, changed)})


@writes(resource, "DELETE", "/v3/groups/{group_id}", may="token", decides="domain")
async def delete(request: Request) -> Reply:
    await groups.delete(request.tx, request.caller, request.values["group_id"])
    return Reply(204)
