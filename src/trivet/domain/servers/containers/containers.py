"""Containers: what a server of that kind has and no other, beside its row and by its id.

One that was made as a server has no such row: its image and its properties say the same.
"""

from collections.abc import Collection, Sequence

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images.images import IMAGES
from trivet.domain.servers.servers import SERVERS, Server
from trivet.drivers.contracts.container import Program
from trivet.errors import Conflict, NotFound
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

STATUSES = (
    "Creating", "Created", "Running", "Stopped", "Paused", "Restarting", "Rebuilding", "Error", "Deleting", "Unknown",
)  # fmt: skip


class Facts(Record, frozen=True, kw_only=True):
    """`id` is the server's."""

    image: str
    """As it was named."""
    image_driver: str = "docker"
    image_pull_policy: str | None = None
    program: Program = Program()
    restart_policy: dict[str, str] | None = None
    """As clients say it; the program has what it means."""
    labels: dict[str, str] = {}
    exposed_ports: dict[str, dict[str, str]] = {}
    auto_heal: bool = False
    runtime: str | None = None
    cpu_policy: str | None = None


CONTAINERS = Table("containers", Facts, logged=False)


class Container(msgspec.Struct, frozen=True):
    server: Server
    facts: Facts


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is None does not matter."""

    project_id: str | None = None
    equal: dict[str, str | int] = {}
    """Columns of servers that must be just so."""
    image: str | None = None
    memory_mib: int | None = None
    host_name: str | None = None
    statuses: tuple[str, ...] | None = None
    ends_with_program: bool | None = None


async def programs(tx: Tx, ids: Collection[str]) -> dict[str, Program]:
    """Of those that somebody said something about."""
    if not ids:
        return {}
    return {facts.id: facts.program for facts in await tx.select(CONTAINERS, Where().any_of("id", sorted(ids)))}


async def with_facts(tx: Tx, servers: Sequence[Server]) -> list[Container]:
    if not servers:
        return []
    known = {facts.id: facts for facts in await tx.select(CONTAINERS, Where().any_of("id", [s.id for s in servers]))}
    lacking = {server.image_id for server in servers if server.id not in known and server.image_id}
    images = {}
    if lacking:
        images = {image.id: image for image in await tx.select(IMAGES, Where().any_of("id", sorted(lacking)))}
    found = []
    for server in servers:
        image = images.get(server.image_id or "")
        name = (image.name if image is not None else None) or server.image_id or ""
        found.append(Container(server, known.get(server.id) or _told_by_image(server, name)))
    return found


def _told_by_image(server: Server, image: str) -> Facts:
    command = tuple(server.properties.get("container_command", "").split())
    return Facts(id=server.id, image=image, image_driver="glance", program=Program(command=command))


async def called(tx: Tx, caller: Caller, ident: str, *, everywhere: bool = False) -> Server:
    """By its id, or by a name that only one of the project's has; `everywhere`: whosever it is."""
    where = _seen(caller, None if everywhere else caller.project_id or "")
    if is_uuid(ident):
        found = await tx.select(SERVERS, where.copy().equal("id", ident.lower()), limit=1)
        if found:
            return found[0]
    named = await tx.select(SERVERS, where.equal("name", ident), order="id", limit=2)
    if len(named) > 1:
        raise Conflict(
            "container.ambiguous", "Multiple containers exist with same name. Please use the container uuid instead."
        )
    if not named:
        raise absent(ident)
    return named[0]


def absent(ident: str) -> NotFound:
    return NotFound("container.absent", f"Container {ident[:255]} could not be found.")


def _seen(caller: Caller, project_id: str | None) -> Where:
    where = Where().equal("kind", "container").add("deleted_at IS NULL")
    if project_id is not None or not caller.may_see(None):
        where.equal("project_id", caller.project_id or "" if project_id is None else project_id)
    return where


async def page(tx: Tx, caller: Caller, query: Query, asked: Asked) -> list[Container]:
    seen = _seen(caller, query.project_id)
    where = seen.copy()
    for column, value in query.equal.items():
        where.equal(column, value)
    if query.host_name is not None:
        where.add("host_id IN (SELECT id FROM hosts WHERE name = ?)", query.host_name)
    if query.image is not None:
        where.add("id IN (SELECT id FROM containers WHERE image = ?)", query.image)
    if query.ends_with_program is not None:
        where.equal("ends_with_program", int(query.ends_with_program))
    keep = None
    if query.statuses is not None or query.memory_mib is not None:

        async def keep(found: list[Server]) -> list[Server]:
            return [server for server in found if _fits(query, server)]

    return await with_facts(tx, await lists.page(tx, SERVERS, where, asked, seen=seen, keep=keep))


def _fits(query: Query, server: Server) -> bool:
    if query.memory_mib is not None and server.flavor.ram_mib != query.memory_mib:
        return False
    return query.statuses is None or status_of(server) in query.statuses


def status_of(server: Server) -> str:
    task = server.task or ""
    if server.want == "gone" or task == "deleting":
        return "Deleting"
    if task.startswith("reboot"):
        return "Restarting"
    if task.startswith("rebuild"):
        return "Rebuilding"
    if server.status == "stopped" or (server.status == "resized" and server.power != "running"):
        return "Stopped" if server.boots else "Created"
    return _STATUS.get(server.status, "Stopped")


_STATUS = {
    "building": "Creating",
    "active": "Running",
    "resized": "Running",
    "paused": "Paused",
    "error": "Error",
    "deleted": "Deleted",
}
"""Of one that is shelved nothing runs."""
