"""/v3/domains: what holds users, groups and projects."""

import re
from typing import Any

import msgspec

from trivet.api.identity import views
from trivet.api.identity.people.projects import ProjectFields, checked, record
from trivet.api.identity.views import View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain import removal
from trivet.domain.identity import personas
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, Project
from trivet.errors import Invalid
from trivet.store.where import Where


async def _there(request: Request) -> Project:
    return await projects.need(request.tx, request.values["domain_id"], noun="domain")


resource = Resource(names="domain_id", seen=_there)

_UUID = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z")


def view(request: Request, domain: Project) -> View:
    shown = {
        **domain.extra,
        "id": domain.id,
        "name": domain.name,
        "enabled": domain.enabled,
        "description": domain.description,
        "tags": list(domain.tags),
        "options": domain.options,
    }
    return views.linked(request, f"domains/{domain.id}", shown)


@resource.on("GET", "/v3/domains", may="token", decides="domain")
async def list_all(request: Request) -> Reply:
    only = personas.list_domain(request.caller, "identity:list_domains")
    where = Where().equal("is_domain", 1)
    if only is not None:
        where.equal("id", only)
    return await views.page(request, "domains", projects.PROJECTS, view, where, columns=("name", "enabled", "id"))


@writes(resource, "POST", "/v3/domains", may="admin")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "domain", ProjectFields)
    explicit = extra.pop("explicit_domain_id", None)
    new = record(request.tx, fields, extra)
    changed: dict[str, Any] = {"is_domain": True}
    if explicit is not None:
        if not isinstance(explicit, str) or _UUID.match(explicit) is None:
            raise Invalid("domain.id", "Domain ID does not conform to required UUID format.")
        changed["id"] = explicit
    new = msgspec.structs.replace(new, **changed)
    made = await projects.create_domain(request.tx, request.caller, new)
    return Reply(201, {"domain": view(request, made)})


@resource.on("GET", "/v3/domains/{domain_id}", may="token", decides="within")
async def show(request: Request) -> Reply:
    id = request.values["domain_id"]
    if id not in (request.caller.domain_id, request.caller.project_domain_id):
        personas.need_look(request.caller, id, "identity:get_domain")
    return Reply(200, {"domain": view(request, await projects.need(request.tx, id, noun="domain"))})


@writes(resource, "PATCH", "/v3/domains/{domain_id}", may="token", decides="system")
async def update(request: Request) -> Reply:
    id = request.values["domain_id"]
    await projects.need(request.tx, id, noun="domain")
    if request.caller.domain_id is not None:
        raise personas.refusal("identity:update_domain")
    personas.need_operator(request.caller, "identity:update_domain")
    changes = views.changes(request, "domain", ProjectFields, some=True)
    if id == DEFAULT_DOMAIN and changes.get("enabled") is False:
        raise Invalid("domain.default", "The default domain cannot be disabled.")
    changed = await projects.update(request.tx, request.caller, id, checked(changes))
    return Reply(200, {"domain": view(request, changed)})


@writes(resource, "DELETE", "/v3/domains/{domain_id}", may="admin")
async def delete(request: Request) -> Reply:
    await removal.domain(request.tx, request.caller, request.values["domain_id"])
    return Reply(204)
