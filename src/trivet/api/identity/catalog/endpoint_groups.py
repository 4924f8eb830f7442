"""/v3/OS-EP-FILTER: which endpoints the catalog shows to which project."""

from typing import Any

from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.catalog import endpoints as endpoint_dialect
from trivet.api.identity.people import projects as project_dialect
from trivet.api.identity.views import Fields, LongName, Text, View
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.catalog import endpoint_groups
from trivet.domain.identity.catalog.endpoint_groups import ENDPOINT_GROUPS, EndpointGroup
from trivet.domain.identity.catalog.endpoints import ENDPOINTS
from trivet.domain.identity.people.projects import PROJECTS
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()

_GROUPS = "/v3/OS-EP-FILTER/endpoint_groups"
_GROUP = "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"
_GROUP_PROJECT = f"{_GROUP}/projects/{{project_id}}"
_PROJECT = "/v3/OS-EP-FILTER/projects/{project_id}"
_PROJECT_ENDPOINT = f"{_PROJECT}/endpoints/{{endpoint_id}}"


class GroupFields(Fields, frozen=True):
    name: LongName | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    filters: dict[str, Any] | UnsetType = UNSET


def view(request: Request, group: EndpointGroup) -> View:
    shown = {"id": group.id, "name": group.name, "description": group.description, "filters": group.filters}
    return views.linked(request, f"OS-EP-FILTER/endpoint_groups/{group.id}", shown)


@looks(resource, _GROUPS)
async def list_all(request: Request) -> Reply:
    return await views.page(request, "endpoint_groups", ENDPOINT_GROUPS, view, Where(), columns=("name",))


@writes(resource, "POST", _GROUPS, may="admin")
async def create(request: Request) -> Reply:
    given = views.read(request, "endpoint_group", GroupFields)[0].given()
    if "name" not in given or "filters" not in given:
        raise Invalid("body.invalid", "'name' and 'filters' are required properties.")
    if not given["filters"]:
        raise Invalid("body.invalid", "filters cannot be empty.")
    endpoint_groups.check_filters(given["filters"])
    new = EndpointGroup(id=request.tx.ids.hex(), **given)
    return Reply(201, {"endpoint_group": view(request, await endpoint_groups.create(request.tx, new))})


@looks(resource, _GROUP)
async def show(request: Request) -> Reply:
    found = await endpoint_groups.need(request.tx, request.values["endpoint_group_id"])
    return Reply(200, {"endpoint_group": view(request, found)})


@writes(resource, "PATCH", _GROUP, may="admin")
async def update(request: Request) -> Reply:
    changes = views.read(request, "endpoint_group", GroupFields)[0].given()
    views.check_change(request, "endpoint_group")
    found = await endpoint_groups.need(request.tx, request.values["endpoint_group_id"])
    if "filters" in changes:
        endpoint_groups.check_filters(changes["filters"])
    changed = await endpoint_groups.change(request.tx, found, changes)
    return Reply(200, {"endpoint_group": view(request, changed)})


@writes(resource, "DELETE", _GROUP, may="admin")
async def delete(request: Request) -> Reply:
    found = await endpoint_groups.need(request.tx, request.values["endpoint_group_id"])
    await endpoint_groups.delete(request.tx, found)
    return Reply(204)


@looks(resource, f"{_GROUP}/endpoints")
async def list_endpoints_of_group(request: Request) -> Reply:
    group = await endpoint_groups.need(request.tx, request.values["endpoint_group_id"])
    return await _endpoints(request, endpoint_groups.endpoints_of(group))


@looks(resource, f"{_GROUP}/projects")
async def list_projects_of_group(request: Request) -> Reply:
    group = await endpoint_groups.need(request.tx, request.values["endpoint_group_id"])
    return await _projects(request, endpoint_groups.projects_of(group.id))


@looks(resource, _GROUP_PROJECT)
async def show_group_project(request: Request) -> Reply:
    group_id, project_id = request.values["endpoint_group_id"], request.values["project_id"]
    await endpoint_groups.check_given(request.tx, group_id, project_id)
    shown = {"endpoint_group_id": group_id, "project_id": project_id}
    at = f"OS-EP-FILTER/endpoint_groups/{group_id}/projects/{project_id}"
    return Reply(200, {"project_endpoint_group": views.linked(request, at, shown)})


@writes(resource, "PUT", _GROUP_PROJECT, may="admin")
async def give_group(request: Request) -> Reply:
    await endpoint_groups.give(request.tx, request.values["endpoint_group_id"], request.values["project_id"])
    return Reply(204)


@writes(resource, "DELETE", _GROUP_PROJECT, may="admin")
async def take_group(request: Request) -> Reply:
    await endpoint_groups.take(request.tx, request.values["endpoint_group_id"], request.values["project_id"])
    return Reply(204)


@looks(resource, f"{_PROJECT}/endpoint_groups")
async def list_groups_of_project(request: Request) -> Reply:
    where = await endpoint_groups.of_project(request.tx, request.values["project_id"])
    return await views.page(request, "endpoint_groups", ENDPOINT_GROUPS, view, where)


@looks(resource, f"{_PROJECT}/endpoints")
async def list_endpoints_of_project(request: Request) -> Reply:
    return await _endpoints(request, await endpoint_groups.endpoints_given(request.tx, request.values["project_id"]))


@looks(resource, "/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects")
async def list_projects_of_endpoint(request: Request) -> Reply:
    return await _projects(request, await endpoint_groups.projects_with(request.tx, request.values["endpoint_id"]))


async def _endpoints(request: Request, where: Where) -> Reply:
    return await views.page(request, "endpoints", ENDPOINTS, endpoint_dialect.view, where, order=("id",))


async def _projects(request: Request, where: Where) -> Reply:
    return await views.page(request, "projects", PROJECTS, project_dialect.view, where)


@looks(resource, _PROJECT_ENDPOINT)
async def check_endpoint(request: Request) -> Reply:
    await endpoint_groups.check_one(request.tx, request.values["endpoint_id"], request.values["project_id"])
    return Reply(204)


@writes(resource, "PUT", _PROJECT_ENDPOINT, may="admin")
async def give_endpoint(request: Request) -> Reply:
    await endpoint_groups.give_one(request.tx, request.values["endpoint_id"], request.values["project_id"])
    return Reply(204)


@writes(resource, "DELETE", _PROJECT_ENDPOINT, may="admin")
async def take_endpoint(request: Request) -> Reply:
    await endpoint_groups.take_one(request.tx, request.values["endpoint_id"], request.values["project_id"])
    return Reply(204)
