"""/v3/auth/catalog, projects, domains, system: what the token's user could do next."""

from trivet.api.identity import views
from trivet.api.identity.people import domains as domain_dialect
from trivet.api.identity.people import projects as project_dialect
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.catalog import catalog
from trivet.domain.identity.login import scopes
from trivet.domain.identity.people.projects import PROJECTS
from trivet.errors import Forbidden

resource = Resource()


@resource.on("GET", "/v3/auth/catalog", may="token", decides="oneself")
async def show_catalog(request: Request) -> Reply:
    caller = request.caller
    if not (caller.project_id or caller.domain_id or caller.system):
        raise Forbidden("token.unscoped", "A token without a scope has no catalog.")
    listed = await catalog.encoded(
        request.tx, request.parts.identity_memory, request.parts.settings.url, caller.project_id, caller.user_id
    )
    links = {"self": views.url(request, "auth/catalog"), "next": None, "previous": None}
    return Reply(200, {"catalog": listed, "links": links})


async def list_projects(request: Request) -> Reply:
    where = scopes.projects_of(request.caller.user_id)
    return await views.page(request, "projects", PROJECTS, project_dialect.view, where)


async def list_domains(request: Request) -> Reply:
    where = scopes.domains_of(request.caller.user_id)
    return await views.page(request, "domains", PROJECTS, domain_dialect.view, where)


for _root in ("/v3/auth", "/v3/OS-FEDERATION"):
    resource.on("GET", f"{_root}/projects", may="token", decides="oneself")(list_projects)
    resource.on("GET", f"{_root}/domains", may="token", decides="oneself")(list_domains)


@resource.on("GET", "/v3/auth/system", may="token", decides="oneself")
async def list_systems(request: Request) -> Reply:
    found = [{"all": True}] if await scopes.may_have_system(request.tx, request.caller.user_id) else []
    return Reply(200, {"system": found, "links": {"self": views.url(request, "auth/system")}})
