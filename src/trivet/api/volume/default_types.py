"""/default-types: the type of volumes whose maker names none, by project."""

from trivet.api.kit.bodies import Name
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.volume.bodies import Loose
from trivet.domain.identity.people import projects
from trivet.domain.volumes import types
from trivet.errors import NotFound

resource = Resource()
PATH = "/v3/default-types"


class DefaultType(Loose, frozen=True, kw_only=True):
    volume_type: Name


class SetBody(Loose, frozen=True, kw_only=True):
    default_type: DefaultType


@resource.on("GET", PATH, may="operator", since="3.62")
async def index(request: Request) -> Reply:
    found = await types.defaults(request.tx)
    return Reply(200, {"default_types": [_view(project_id, id) for project_id, id in found.items()]})


@resource.on("GET", PATH + "/{target_id}", may="operator", since="3.62")
async def show(request: Request) -> Reply:
    project_id = request.values["target_id"]
    found = (await types.defaults(request.tx)).get(project_id)
    if found is None:
        raise types.no_default(project_id)
    return Reply(200, {"default_type": _view(project_id, found)})


@resource.on("PUT", PATH + "/{target_id}", may="admin", since="3.62")
async def put(request: Request) -> Reply:
    project_id = request.values["target_id"]
    if not await projects.exists(request.tx, project_id):
        raise NotFound("project.absent", f"Project id {project_id[:64]} not found.")
    type = await types.named(request.tx, request.caller, request.read(SetBody).default_type.volume_type)
    await types.set_default(request.tx, project_id, type)
    return Reply(200, {"default_type": _view(project_id, type.id)})


@resource.on("DELETE", PATH + "/{target_id}", may="admin", since="3.62")
async def delete(request: Request) -> Reply:
    await types.unset_default(request.tx, request.values["target_id"])
    return Reply(204)


def _view(project_id: str, type_id: str) -> dict[str, str]:
    return {"project_id": project_id, "volume_type_id": type_id}
