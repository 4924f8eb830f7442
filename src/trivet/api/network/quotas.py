"""/v2.0/quotas: the limits of this service's resources, and what of them is used."""

from msgspec import UNSET, Struct, UnsetType, field, structs

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Json
from trivet.domain.callers import Caller
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.limits import limit_rules, limits, quotas
from trivet.domain.network.words import Number
from trivet.errors import Conflict, Forbidden, Invalid
from trivet.store.tx import Tx

resource = Resource()

NAMES = (
    "network",
    "subnet",
    "port",
    "router",
    "floatingip",
    "security_group",
    "security_group_rule",
    "subnetpool",
    "rbac_policy",
    "address_group",
    "address_scope",
)


class QuotaChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    network: Number | UnsetType = UNSET
    subnet: Number | UnsetType = UNSET
    port: Number | UnsetType = UNSET
    router: Number | UnsetType = UNSET
    floatingip: Number | UnsetType = UNSET
    security_group: Number | UnsetType = UNSET
    security_group_rule: Number | UnsetType = UNSET
    subnetpool: Number | UnsetType = UNSET
    rbac_policy: Number | UnsetType = UNSET
    address_group: Number | UnsetType = UNSET
    address_scope: Number | UnsetType = UNSET
    check_limit: bool = False
    force: bool = False
    project_id: str | UnsetType | None = field(default=UNSET)
    tenant_id: str | UnsetType | None = field(default=UNSET)


def _may_look(caller: Caller, project_id: str) -> None:
    if not caller.may_see(project_id):
        raise Forbidden("policy.forbidden", "get_quota is disallowed by policy: it belongs to another project.")


async def _limits(tx: Tx, project_id: str) -> Json:
    found = await limits.limits_of(tx, project_id)
    return {name: found[name] for name in NAMES}


@resource.on("GET", "/v2.0/quotas", may="operator")
async def index(request: Request) -> Reply:
    """The quotas of those projects that have limits of their own."""
    projects = await limits.projects_with(request.tx, NAMES)
    found = [{"project_id": id, "tenant_id": id, **await _limits(request.tx, id)} for id in projects]
    return Reply(200, {"quotas": found})


@resource.on("GET", "/v2.0/quotas/{project_id}", may="reader")
async def show(request: Request) -> Reply:
    project_id = request.values["project_id"]
    if project_id in ("tenant", "project"):
        return Reply(200, {"tenant": {"tenant_id": request.caller.project_id}})
    _may_look(request.caller, project_id)
    return Reply(200, {"quota": await _limits(request.tx, project_id)})


@resource.on("GET", "/v2.0/quotas/{project_id}/default", may="reader")
async def show_default(request: Request) -> Reply:
    """What a project without limits of its own has."""
    _may_look(request.caller, request.values["project_id"])
    return Reply(200, {"quota": await _limits(request.tx, "")})


async def show_details(request: Request) -> Reply:
    project_id = request.values["project_id"]
    _may_look(request.caller, project_id)
    used = await quotas.used_all(request.tx, project_id)
    found = {
        name: {"limit": limit, "used": max(0, used.get(name, 0)), "reserved": 0}
        for name, limit in (await _limits(request.tx, project_id)).items()
    }
    return Reply(200, {"quota": found})


# Clients of two generations spell it in two ways.
resource.on("GET", "/v2.0/quotas/{project_id}/details", may="reader")(show_details)
resource.on("GET", "/v2.0/quotas/{project_id}/details.json", may="reader")(show_details)


@resource.on("PUT", "/v2.0/quotas/{project_id}", may="admin")
async def update(request: Request) -> Reply:
    project_id = request.values["project_id"]
    wanted = bodies.one(request, QuotaChange, "quota")
    await request.tx.need(PROJECTS, project_id, "project")
    used = await quotas.used_all(request.tx, project_id)
    for name in NAMES:
        limit = structs.asdict(wanted)[name]
        if limit is UNSET:
            continue
        if limit < -1:
            raise Invalid("quota.invalid", f"Invalid input for {name}. Reason: '{limit}' must be -1 or more.")
        if not wanted.force and 0 <= limit < used.get(name, 0):
            raise Conflict(
                "quota.below_use", f"Quota limit {limit} of {name} is below its use, {used[name]}.", status=400
            )
        await limit_rules.set_limit(request.tx, project_id, name, limit)
    return Reply(200, {"quota": await _limits(request.tx, project_id)})


@resource.on("DELETE", "/v2.0/quotas/{project_id}", may="admin")
async def delete(request: Request) -> Reply:
    await limits.reset_limits(request.tx, request.values["project_id"], list(NAMES))
    return Reply(204)
