"""/v3/projects/{project_id}/tags"""

from trivet.api.identity import views
from trivet.api.identity.writing import writes
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.people import project_tags
from trivet.domain.identity.people.project_tags import Tag

resource = Resource()


class TagsBody(Body, frozen=True):
    tags: tuple[Tag, ...]


def _shown(request: Request, tags: tuple[str, ...]) -> Reply:
    links = {
        "next": None,
        "self": views.url(request, f"projects/{request.values['project_id']}/tags"),
        "previous": None,
    }
    return Reply(200, {"tags": list(tags), "links": links})


@resource.on("GET", "/v3/projects/{project_id}/tags", may="token", decides="within")
async def list_all(request: Request) -> Reply:
    found = await project_tags.visible(request.tx, request.caller, request.values["project_id"])
    return _shown(request, found.tags)


@writes(resource, "PUT", "/v3/projects/{project_id}/tags", may="token", decides="domain")
async def replace(request: Request) -> Reply:
    tags = request.read(TagsBody).tags
    changed = await project_tags.replace(request.tx, request.caller, request.values["project_id"], tags)
    return _shown(request, changed.tags)


@writes(resource, "DELETE", "/v3/projects/{project_id}/tags", may="token", decides="domain")
async def clear(request: Request) -> Reply:
    await project_tags.replace(request.tx, request.caller, request.values["project_id"], ())
    return Reply(204)


@resource.on("GET", "/v3/projects/{project_id}/tags/{tag}", may="token", decides="within")
async def check(request: Request) -> Reply:
    found = await project_tags.visible(request.tx, request.caller, request.values["project_id"])
    project_tags.check_tag(found, request.values["tag"])
    return Reply(204)


@writes(resource, "PUT", "/v3/projects/{project_id}/tags/{tag}", may="token", decides="domain")
async def add(request: Request) -> Reply:
    await project_tags.add(request.tx, request.caller, request.values["project_id"], request.values["tag"])
    at = views.url(request, f"projects/{request.values['project_id']}/tags/{request.values['tag']}")
    return Reply(201, b"", [(b"location", at.encode("latin-1", "replace"))])


@writes(resource, "DELETE", "/v3/projects/{project_id}/tags/{tag}", may="token", decides="domain")
async def remove(request: Request) -> Reply:
    await project_tags.remove(request.tx, request.caller, request.values["project_id"], request.values["tag"])
    return Reply(204)
