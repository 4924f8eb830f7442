"""/flavors/{id}/os-flavor-access: which projects see a flavor that is not public."""

from trivet.api.compute.flavors import needed
from trivet.api.kit.bodies import Body, Name
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.servers import flavors
from trivet.domain.servers.flavors import Flavor
from trivet.errors import Conflict, Invalid, NotFound

resource = Resource()


class Tenant(Body, frozen=True, kw_only=True):
    tenant: Name


class AddAccess(Body, frozen=True, kw_only=True):
    addTenantAccess: Tenant  # noqa: N815 - the wire's spelling


class RemoveAccess(Body, frozen=True, kw_only=True):
    removeTenantAccess: Tenant  # noqa: N815 - the wire's spelling


@resource.on("GET", "/v2.1/flavors/{flavor_id}/os-flavor-access", may="operator")
async def index(request: Request) -> Reply:
    flavor = await needed(request)
    if flavor.is_public:
        raise NotFound("flavor.public", "Access list not available for public flavors.")
    return await _list(request, flavor)


@resource.action("/v2.1/flavors/{flavor_id}/action", "addTenantAccess", may="admin")
async def add(request: Request) -> Reply:
    project_id = request.read(AddAccess).addTenantAccess.tenant
    if await request.tx.get(PROJECTS, project_id) is None:
        raise Invalid("project.absent", f"Project ID {project_id} is not a valid project.")
    flavor = await needed(request)
    if flavor.is_public and request.version >= 2007:
        raise Conflict("flavor.public", "Can not add access to a public flavor.")
    await flavors.give_access(request.tx, flavor, project_id)
    return await _list(request, flavor)


@resource.action("/v2.1/flavors/{flavor_id}/action", "removeTenantAccess", may="admin")
async def remove(request: Request) -> Reply:
    project_id = request.read(RemoveAccess).removeTenantAccess.tenant
    flavor = await needed(request)
    await flavors.take_access(request.tx, flavor, project_id)
    return await _list(request, flavor)


async def _list(request: Request, flavor: Flavor) -> Reply:
    projects = await flavors.projects_of(request.tx, flavor.id)
    return Reply(200, {"flavor_access": [{"flavor_id": flavor.id, "tenant_id": id} for id in projects]})
