"""Tasks: work on an image that goes on after the request was answered, for clients to watch.

A task is taken by one process at a time (`runs_until` is its lease). Whoever finds one whose process went
silent takes it over and starts it again; after a few tries it fails, and the image says why.
"""

from typing import Any, Literal

from trivet.domain.callers import Caller
from trivet.errors import NotFound
from trivet.store.leases import Sightings
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

TaskStatus = Literal["pending", "processing", "success", "failure"]

LEASE_S = 60.0
_LOOKED_AGAIN_S = 30.0
TRIES_MAX = 3
KEPT_S = 48 * 3600.0
"""How long a finished task can be looked at."""

_SHOWN_MAX = 100


class ImageTask(Record, frozen=True, kw_only=True):
    project_id: str | None
    user_id: str
    image_id: str | None
    request_id: str
    type: str
    status: TaskStatus = "pending"
    input: dict[str, Any] = {}
    message: str = ""
    created_at: float
    updated_at: float
    ends_at: float | None = None
    """When a finished task is forgotten."""
    tries: int = 0
    runs_until: float | None = None


IMAGE_TASKS = Table("image_tasks", ImageTask)


async def visible(tx: Tx, caller: Caller, id: str) -> ImageTask:
    task = await tx.get(IMAGE_TASKS, id)
    if task is None or not caller.may_see(task.project_id):
        raise NotFound("image_task.absent", f"No task found with ID {id[:64]}")
    return task


async def of_image(tx: Tx, image_id: str) -> list[ImageTask]:
    """The last ones: who tries again and again makes any number of them."""
    where = Where().equal("image_id", image_id)
    found = await tx.select(IMAGE_TASKS, where, order="created_at DESC, id DESC", limit=_SHOWN_MAX)
    return found[::-1]


async def request(
    tx: Tx, caller: Caller, type: str, image_id: str | None, *, request_id: str, said: dict[str, Any]
) -> ImageTask:
    now = tx.clock.now()
    task = ImageTask(
        id=tx.ids.uuid(),
        project_id=caller.project_id,
        user_id=caller.user_id,
        image_id=image_id,
        request_id=request_id,
        type=type,
        input=said,
        created_at=now,
        updated_at=now,
    )
    return await tx.insert(IMAGE_TASKS, task)


async def open_ones(tx: Tx, sightings: Sightings, most_of_one: int) -> list[tuple[str, str]]:
    """(id, project or "") of tasks that somebody should work on: new ones, and those whose process went silent.

    The oldest of every project, so that one that asked for thousands hides nobody's.
    """
    rows = await tx.rows(
        "SELECT id, project, status, tries, runs_until FROM"
        " (SELECT id, created_at, COALESCE(project_id, '') AS project, status, tries, runs_until,"
        " ROW_NUMBER() OVER (PARTITION BY project_id ORDER BY created_at, id) AS place"
        " FROM image_tasks WHERE status IN ('pending', 'processing')) AS waiting"
        " WHERE place <= ? ORDER BY place, created_at, id LIMIT 200",
        most_of_one,
    )
    return [
        (str(id), str(project))
        for id, project, status, tries, until in rows
        if status == "pending" or _silent(sightings, id, tries, until)
    ]


def _silent(sightings: Sightings, id: str, tries: int, runs_until: float | None) -> bool:
    """`runs_until` is written at every sign of life, and seen to have changed; as a time it says nothing."""
    stamp = tries, runs_until or 0.0
    return not runs_until or sightings.unchanged_s(f"task {id}", stamp, _LOOKED_AGAIN_S) >= LEASE_S


async def take(tx: Tx, id: str, sightings: Sightings) -> ImageTask | None:
    """Make it mine, unless somebody else was quicker."""
    task = await tx.get(IMAGE_TASKS, id)
    now = tx.clock.now()
    if task is None or task.status in ("success", "failure"):
        return None
    if task.status == "processing" and not _silent(sightings, id, task.tries, task.runs_until):
        return None
    return await tx.update(
        IMAGE_TASKS, task, status="processing", tries=task.tries + 1, runs_until=now + LEASE_S, updated_at=now
    )


async def renew(tx: Tx, task: ImageTask) -> bool:
    """Say that it is still being worked on; False: it is somebody else's by now."""
    sql = "UPDATE image_tasks SET runs_until = ? WHERE id = ? AND status = 'processing' AND tries = ?"
    return await tx.run(sql, tx.clock.now() + LEASE_S, task.id, task.tries) == 1


async def finish(tx: Tx, task: ImageTask, status: Literal["success", "failure"], message: str = "") -> bool:
    """Only who took it last may finish it; whether that is the caller."""
    current = await tx.get(IMAGE_TASKS, task.id)
    if current is None or current.tries != task.tries or current.status != "processing":
        return False
    now = tx.clock.now()
    await tx.update(
        IMAGE_TASKS,
        current,
        status=status,
        message=message,
        runs_until=None,
        updated_at=now,
        ends_at=now + KEPT_S,
    )
    return True


async def forget_old(tx: Tx) -> int:
    return await tx.run("DELETE FROM image_tasks WHERE ends_at < ?", tx.clock.now())


async def put_back(tx: Tx, task: ImageTask, why: str) -> None:
    """For the next try, by whoever is first."""
    sql = "UPDATE image_tasks SET status = 'pending', message = ?, revision = revision + 1 WHERE id = ? AND tries = ?"
    if await tx.run(f"{sql} AND status = 'processing'", why, task.id, task.tries):
        tx.note(Change(IMAGE_TASKS.name, task.id, "updated", task.revision + 1, task.project_id))
