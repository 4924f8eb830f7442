"""/v1/quotas: how much a project may use, and has in use."""

from trivet.api.container import quota_words, said
from trivet.api.container.quota_words import Quotas
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.limits import limit_rules, limits, quota_classes, quotas
from trivet.errors import Forbidden, NotFound

resource = Resource()
PATH = "/v1/quotas/{project_id}"


@resource.on("GET", PATH, may="reader", since="1.26")
async def show(request: Request) -> Reply:
    project_id = await _seen(request)
    most = quota_words.shown(await limits.limits_of(request.tx, project_id))
    if not said.flag(request.asked("usages"), "usages", otherwise=False):
        return Reply(200, most)
    used = quota_words.shown(await quotas.used_all(request.tx, project_id))
    return Reply(200, {name: {"limit": limit, "in_use": used[name]} for name, limit in most.items()})


@resource.on("GET", f"{PATH}/defaults", may="reader", since="1.26")
async def defaults(request: Request) -> Reply:
    await _seen(request)
    return Reply(200, quota_words.shown(await quota_classes.limits_of(request.tx, quota_classes.DEFAULT)))


@resource.on("PUT", PATH, may="admin", since="1.26")
async def update(request: Request) -> Reply:
    project_id = await _seen(request)
    for name, limit in quota_words.wanted(said.words(request, Quotas)).items():
        await limit_rules.set_limit(request.tx, project_id, name, limit)
    return Reply(200, quota_words.shown(await limits.limits_of(request.tx, project_id)))


@resource.on("DELETE", PATH, may="admin", since="1.26")
async def reset(request: Request) -> Reply:
    await limits.reset_limits(request.tx, await _seen(request), list(quota_words.NAMES.values()))
    return Reply(200)


async def _seen(request: Request) -> str:
    project_id = request.values["project_id"]
    if not request.caller.may_see(project_id):
        raise Forbidden("policy.forbidden", "Policy doesn't allow quota:get to be performed.")
    if await request.tx.get(PROJECTS, project_id) is None:
        raise NotFound("project.absent", f"Project {project_id[:64]} could not be found.")
    return project_id
