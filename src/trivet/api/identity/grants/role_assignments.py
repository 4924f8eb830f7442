"""/v3/role_assignments: who has which role where."""

from trivet.api.identity import views
from trivet.api.identity.views import View
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.assignments import Assignment
from trivet.domain.identity.grants import role_assignments
from trivet.domain.identity.grants.assignment_names import Names
from trivet.domain.identity.grants.role_assignments import Asked, Found

resource = Resource()


@resource.on("GET", "/v3/role_assignments", may="token", decides="domain")
async def list_all(request: Request) -> Reply:
    inherited_to = request.asked("scope.OS-INHERIT:inherited_to")
    asked = Asked(
        user_id=request.asked("user.id"),
        group_id=request.asked("group.id"),
        role_id=request.asked("role.id"),
        project_id=request.asked("scope.project.id"),
        domain_id=request.asked("scope.domain.id"),
        system=request.asked("scope.system") is not None,
        inherited=None if inherited_to is None else inherited_to == "projects",
        effective=_on(request, "effective"),
        subtree=_on(request, "include_subtree"),
        limit=views.limit(request),
    )
    found = await role_assignments.listed(request.tx, request.caller, asked)
    truncated = asked.limit is not None and len(found) > asked.limit
    found = found[: asked.limit]
    names = Names(request.tx) if _on(request, "include_names") else None
    shown = [await _view(request, one, names) for one in found]
    return views.paged(request, "role_assignments", shown, truncated=truncated)


def _on(request: Request, name: str) -> bool:
    """There at all is on, unless it says 0."""
    value = request.asked(name)
    return value is not None and value.lower() not in ("0", "false", "no", "off")


async def _view(request: Request, found: Found, names: Names | None) -> View:
    one = found.assignment
    shown: View = {one.actor_kind: {"id": one.actor_id}, "role": {"id": one.role_id}}
    scope: View = {"system": {"all": True}} if one.target_kind == "system" else {one.target_kind: {"id": one.target_id}}
    if names is not None:
        shown = {one.actor_kind: await names.actor(one), "role": await names.role(one.role_id)}
        if one.target_kind != "system":
            scope = {one.target_kind: await names.target(one)}
    if one.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    shown["scope"] = scope
    shown["links"] = {"assignment": views.url(request, _path(found.source))}
    if found.membership is not None:
        shown["links"]["membership"] = views.url(request, f"groups/{found.membership}/users/{one.actor_id}")
    if found.prior_role_id is not None:
        shown["links"]["prior_role"] = views.url(request, f"prior_role/{found.prior_role_id}/implies/{one.role_id}")
    return shown


def _path(given: Assignment) -> str:
    target = "system" if given.target_kind == "system" else f"{given.target_kind}s/{given.target_id}"
    path = f"{target}/{given.actor_kind}s/{given.actor_id}/roles/{given.role_id}"
    return f"OS-INHERIT/{path}/inherited_to_projects" if given.inherited else path
