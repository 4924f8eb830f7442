"""/v3/roles: names for what one may do."""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.people.projects import check_options
from trivet.api.identity.views import Fields, Id, LongName, Text, View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.grants import implied_roles
from trivet.domain.identity.people import roles
from trivet.domain.identity.people.roles import Role
from trivet.errors import NotFound

resource = Resource()


class RoleFields(Fields, frozen=True):
    name: LongName | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType = UNSET


def view(request: Request, role: Role) -> View:
    shown = {
        **role.extra,
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain_id,
        "description": role.description,
        "options": role.options,
    }
    return views.linked(request, f"roles/{role.id}", shown)


def one_of(request: Request, passed_on: Iterable[Role]) -> Reply:
    """The one that the path names, among those that somebody passed on to somebody."""
    id = request.values["role_id"]
    for role in passed_on:
        if role.id == id:
            return Reply(200, {"role": view(request, role)})
    raise NotFound("role.absent", f"Could not find role: {id[:64]}.")


@resource.on("GET", "/v3/roles", may="token", decides="roles")
async def list_all(request: Request) -> Reply:
    where = roles.listed(request.caller, request.asked("domain_id"))
    return await views.page(request, "roles", roles.ROLES, view, where, columns=("name", "id"))


@writes(resource, "POST", "/v3/roles", may="admin")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "role", RoleFields)
    given = fields.given()
    views.required(given, "name")
    new = Role(
        id=request.tx.ids.hex(),
        name=given["name"],
        domain_id=given.get("domain_id"),
        description=given.get("description"),
        options=check_options(given.get("options", {})),
        extra=extra,
    )
    return Reply(201, {"role": view(request, await roles.create(request.tx, new))})


@resource.on("GET", "/v3/roles/{role_id}", may="token", decides="roles")
async def show(request: Request) -> Reply:
    found = await roles.visible(request.tx, request.caller, request.values["role_id"])
    return Reply(200, {"role": view(request, found)})


@writes(resource, "PATCH", "/v3/roles/{role_id}", may="token", decides="system")
async def update(request: Request) -> Reply:
    await roles.changeable(request.tx, request.caller, request.values["role_id"], "identity:update_role")
    changes = views.changes(request, "role", RoleFields, some=True)
    if "options" in changes:
        changes["options"] = check_options(changes["options"], keep_none=True)
    changed = await roles.update(request.tx, request.caller, request.values["role_id"], changes)
    return Reply(200, {"role": view(request, changed)})


@writes(resource, "DELETE", "/v3/roles/{role_id}", may="token", decides="system")
async def delete(request: Request) -> Reply:
    await implied_roles.delete_role(request.tx, request.caller, request.values["role_id"])
    return Reply(204)
