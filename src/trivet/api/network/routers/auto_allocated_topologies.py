"""/v2.0/auto-allocated-topology: looking for it makes it."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.network.routers import auto_allocated_topologies
from trivet.errors import Forbidden

resource = Resource()


def _project(request: Request) -> str:
    """Clients that mean their own project say so in several ways."""
    asked = request.values["project_id"]
    own = request.caller.project_id
    if asked in ("None", "null", "") and own is not None:
        return own
    if asked != own and not request.caller.is_operator:
        raise Forbidden("policy.forbidden", "get_auto_allocated_topology is disallowed by policy.")
    return asked


@resource.on("GET", "/v2.0/auto-allocated-topology/{project_id}", may="member", tx="write")
async def show(request: Request) -> Reply:
    project_id = _project(request)
    if "dry-run" in request.asked_all("fields"):
        await auto_allocated_topologies.check(request.tx)
        return _reply("dry-run=pass", project_id)
    found = await auto_allocated_topologies.ensure(request.tx, request.caller, project_id)
    return _reply(found.network_id, project_id)


@resource.on("DELETE", "/v2.0/auto-allocated-topology/{project_id}", may="member")
async def delete(request: Request) -> Reply:
    await auto_allocated_topologies.delete(request.tx, _project(request))
    return Reply(204)


def _reply(id: str, project_id: str) -> Reply:
    shown = {"id": id, "project_id": project_id, "tenant_id": project_id}
    return Reply(200, {"auto_allocated_topology": shown})
