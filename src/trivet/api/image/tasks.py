"""/v2/tasks: work of the image service that goes on by itself, as its administrators see it."""

from typing import Any

from trivet.api.image.paging import SORTING, SPELLING, links
from trivet.api.kit import lists
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.images import imports as image_imports
from trivet.domain.images import tasks as image_tasks
from trivet.domain.images.tasks import IMAGE_TASKS, ImageTask
from trivet.errors import Invalid
from trivet.store import lists as store_lists
from trivet.store.where import Where

resource = Resource()

_FILTERS = {"type": lists.equal("type"), "status": lists.equal("status")}
_SORTS = {name: IMAGE_TASKS.ordered(name) for name in ("id", "type", "status", "created_at", "updated_at")}
_SORTS["expires_at"] = IMAGE_TASKS.ordered("ends_at")


class TaskCreate(Body, frozen=True, kw_only=True):
    type: str
    input: dict[str, Any] = {}


@resource.on("GET", "/v2/tasks", may="operator")
async def index(request: Request) -> Reply:
    seen = Where()
    where = lists.narrow(request, seen.copy(), _FILTERS.get)
    asked = lists.asked(request, SPELLING, lists.sort_of(request, SORTING, _SORTS))
    found = await store_lists.page(request.tx, IMAGE_TASKS, where, asked, seen=seen)
    body: dict[str, object] = {"tasks": [_brief(task) for task in found], "schema": "/v2/schemas/tasks"}
    return Reply(200, body | links(request, "/v2/tasks", [task.id for task in found]))


@resource.on("POST", "/v2/tasks", may="admin")
async def create(request: Request) -> Reply:
    """The old way to import. It could read any URL as the operator; imports by image replaced it."""
    request.read(TaskCreate)
    raise Invalid("task.by_image", "Tasks are made by POST /v2/images/{image_id}/import, not here.")


@resource.on("GET", "/v2/tasks/{task_id}", may="operator")
async def show(request: Request) -> Reply:
    task = await image_tasks.visible(request.tx, request.caller, request.values["task_id"])
    details = {"input": image_imports.said_by(task), "result": None, "message": task.message}
    return Reply(200, _brief(task) | details)


def _brief(task: ImageTask) -> dict[str, object]:
    return {
        "id": task.id,
        "type": task.type,
        "status": task.status,
        "owner": task.project_id,
        "expires_at": iso(task.ends_at),
        "created_at": iso(task.created_at),
        "updated_at": iso(task.updated_at),
        "self": f"/v2/tasks/{task.id}",
        "schema": "/v2/schemas/task",
    }
