"""/v2/tasks: work of the image service that goes on by itself, as its administrators see it."""

from typing import Any

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.images import tasks as image_tasks
from trivet.domain.images.tasks import IMAGE_TASKS, ImageTask
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()

_PAGE = 25
_PAGE_MAX = 1000


class TaskCreate(Body, frozen=True, kw_only=True):
    type: str
    input: dict[str, Any] = {}


@resource.on("GET", "/v2/tasks", may="operator")
async def index(request: Request) -> Reply:
    where = Where()
    for name in ("type", "status"):
        value = request.asked(name)
        if value is not None:
            where.equal(name, value)
    limit = whole_number(request.asked("limit") or str(_PAGE))
    if limit is None:
        raise Invalid("query.limit", "limit param must be an integer")
    marker = request.asked("marker")
    if marker is not None:
        last = await image_tasks.visible(request.tx, request.caller, marker)
        where.after((("created_at", True), ("id", True)), (last.created_at, last.id))
    size = min(limit, _PAGE_MAX)
    found = await request.tx.select(IMAGE_TASKS, where, order="created_at DESC, id DESC", limit=size)
    body: dict[str, object] = {
        "tasks": [_brief(task) for task in found],
        "first": "/v2/tasks",
        "schema": "/v2/schemas/tasks",
    }
    if found and len(found) == size:
        body["next"] = f"/v2/tasks?limit={size}&marker={found[-1].id}"
    return Reply(200, body)


@resource.on("POST", "/v2/tasks", may="admin")
async def create(request: Request) -> Reply:
    """The old way to import. It could read any URL as the operator; imports by image replaced it."""
    request.read(TaskCreate)
    raise Invalid("task.by_image", "Tasks are made by POST /v2/images/{image_id}/import, not here.")


@resource.on("GET", "/v2/tasks/{task_id}", may="operator")
async def show(request: Request) -> Reply:
    task = await image_tasks.visible(request.tx, request.caller, request.values["task_id"])
    said = {name: value for name, value in task.input.items() if name != "wanted"}
    details = {"input": said, "result": None, "message": task.message}
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
