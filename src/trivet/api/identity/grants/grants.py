"""Roles of users and groups on projects, domains and the system: one set of routes for each pair of kinds."""

from trivet.api.identity import views
from trivet.api.identity.people import roles as role_dialect
from trivet.api.identity.writing import writes
from trivet.api.kit.callers import Decision
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.assignments import SYSTEM, ActorKind, Assignment, TargetKind
from trivet.domain.identity.grants import grants
from trivet.domain.identity.people.roles import ROLES

resource = Resource()

_TARGETS: tuple[tuple[TargetKind, str], ...] = (
    ("project", "projects/{project_id}"),
    ("domain", "domains/{domain_id}"),
    ("system", "system"),
)
_ACTORS: tuple[tuple[ActorKind, str], ...] = (("user", "users/{user_id}"), ("group", "groups/{group_id}"))


def _declare(target_kind: TargetKind, target: str, actor_kind: ActorKind, actor: str, inherited: bool) -> None:
    root, tail = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
    decides: Decision = "system" if target_kind == "system" else "domain"
    one = f"{root}/{target}/{actor}/roles/{{role_id}}{tail}"

    def asked(request: Request) -> Assignment:
        return Assignment(
            actor_kind=actor_kind,
            actor_id=request.values[f"{actor_kind}_id"],
            target_kind=target_kind,
            target_id=request.values.get(f"{target_kind}_id", SYSTEM),
            role_id=request.values.get("role_id", ""),
            inherited=inherited,
        )

    @resource.on("GET", f"{root}/{target}/{actor}/roles{tail}", may="token", decides=decides)
    async def list_all(request: Request) -> Reply:
        where = await grants.roles_of(request.tx, request.caller, asked(request))
        return await views.page(request, "roles", ROLES, role_dialect.view, where, columns=("name",))

    @resource.on("GET", one, may="token", decides=decides)
    async def check(request: Request) -> Reply:
        await grants.check(request.tx, request.caller, asked(request))
        return Reply(204)

    @writes(resource, "PUT", one, may="token", decides=decides)
    async def give(request: Request) -> Reply:
        await grants.give(request.tx, request.caller, asked(request))
        return Reply(204)

    @writes(resource, "DELETE", one, may="token", decides=decides)
    async def take(request: Request) -> Reply:
        await grants.take(request.tx, request.caller, asked(request))
        return Reply(204)


for _target_kind, _target in _TARGETS:
    for _actor_kind, _actor in _ACTORS:
        _declare(_target_kind, _target, _actor_kind, _actor, False)
        if _target_kind != "system":
            _declare(_target_kind, _target, _actor_kind, _actor, True)
