"""Endpoint groups and filters: which endpoints the catalog shows to which project.

A project to which nothing was given sees everything.
"""

from typing import Any

from trivet.domain.identity import memory
from trivet.domain.identity.catalog import catalog, endpoints
from trivet.domain.identity.catalog.endpoints import ENDPOINTS
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_FILTERS = frozenset(("interface", "service_id", "region_id"))


class EndpointGroup(Record, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    filters: dict[str, Any] = {}


ENDPOINT_GROUPS = Table("endpoint_groups", EndpointGroup)


async def need(tx: Tx, id: str) -> EndpointGroup:
    found = await tx.get(ENDPOINT_GROUPS, id)
    if found is None:
        raise NotFound("endpoint_group.absent", f"Could not find Endpoint Group: {id[:64]}.")
    return found


def check_filters(filters: dict[str, Any]) -> dict[str, Any]:
    """None at all are met by every endpoint."""
    if not set(filters) <= _FILTERS:
        raise Invalid("endpoint_group.filters", f"Filters are some of {', '.join(sorted(_FILTERS))}.")
    if filters.get("interface", "public") not in ("public", "internal", "admin"):
        raise Invalid("endpoint_group.filters", "interface is one of public, internal, admin.")
    return filters


def endpoints_of(group: EndpointGroup) -> Where:
    where = Where()
    for name, value in group.filters.items():
        if isinstance(value, str | None):
            where.equal(name, value)
        else:
            # It may be any JSON: what no endpoint can have, none has.
            where.any_of(name, [])
    return where


def projects_of(group_id: str) -> Where:
    given = Where().equal("endpoint_group_id", group_id)
    return Where().inside("id", "SELECT project_id FROM endpoint_group_projects", given)


async def of_project(tx: Tx, project_id: str) -> Where:
    await projects.need(tx, project_id)
    given = Where().equal("project_id", project_id)
    return Where().inside("id", "SELECT endpoint_group_id FROM endpoint_group_projects", given)


async def give(tx: Tx, group_id: str, project_id: str) -> None:
    await need(tx, group_id)
    await projects.need(tx, project_id)
    await hold(tx, PROJECTS, project_id)
    sql = "INSERT INTO endpoint_group_projects (endpoint_group_id, project_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
    if not await tx.run(sql, group_id, project_id):
        raise Conflict("endpoint_group.given", f"Project {project_id} has endpoint group {group_id} already.")
    memory.note(tx, "endpoint_filters", project_id)


async def check_given(tx: Tx, group_id: str, project_id: str) -> None:
    await need(tx, group_id)
    await projects.need(tx, project_id)
    sql = "SELECT 1 FROM endpoint_group_projects WHERE endpoint_group_id = ? AND project_id = ?"
    if await tx.row(sql, group_id, project_id) is None:
        raise NotFound("endpoint_group.not_given", "Could not find Endpoint Group Project relationship.")


async def take(tx: Tx, group_id: str, project_id: str) -> None:
    await check_given(tx, group_id, project_id)
    sql = "DELETE FROM endpoint_group_projects WHERE endpoint_group_id = ? AND project_id = ?"
    await tx.run(sql, group_id, project_id)
    memory.note(tx, "endpoint_filters", project_id)


# -- single endpoints


async def endpoints_given(tx: Tx, project_id: str) -> Where:
    """Singly or by group."""
    await projects.need(tx, project_id)
    found = await tx.select(ENDPOINTS, order="id")
    given = await catalog.of_project(tx, project_id, found)
    return Where().any_of("id", [endpoint.id for endpoint in found if endpoint.id in given])


async def projects_with(tx: Tx, endpoint_id: str) -> Where:
    await endpoints.need(tx, endpoint_id)
    return Where().inside("id", "SELECT project_id FROM endpoint_projects", Where().equal("endpoint_id", endpoint_id))


async def give_one(tx: Tx, endpoint_id: str, project_id: str) -> None:
    await endpoints.need(tx, endpoint_id)
    await projects.need(tx, project_id)
    await hold(tx, PROJECTS, project_id)
    sql = "INSERT INTO endpoint_projects (endpoint_id, project_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
    if not await tx.run(sql, endpoint_id, project_id):
        raise Conflict("endpoint.given", f"Project {project_id} has endpoint {endpoint_id} already.")
    memory.note(tx, "endpoint_filters", project_id)


async def check_one(tx: Tx, endpoint_id: str, project_id: str) -> None:
    await endpoints.need(tx, endpoint_id)
    await projects.need(tx, project_id)
    sql = "SELECT 1 FROM endpoint_projects WHERE endpoint_id = ? AND project_id = ?"
    if await tx.row(sql, endpoint_id, project_id) is None:
        raise NotFound("endpoint.not_given", f"Endpoint {endpoint_id} not found in project {project_id}.")


async def take_one(tx: Tx, endpoint_id: str, project_id: str) -> None:
    await check_one(tx, endpoint_id, project_id)
    await tx.run("DELETE FROM endpoint_projects WHERE endpoint_id = ? AND project_id = ?", endpoint_id, project_id)
    memory.note(tx, "endpoint_filters", project_id)


async def create(tx: Tx, group: EndpointGroup) -> EndpointGroup:
    return await tx.insert(ENDPOINT_GROUPS, group)


async def change(tx: Tx, group: EndpointGroup, changes: dict[str, Any]) -> EndpointGroup:
    return await tx.update(ENDPOINT_GROUPS, group, **changes)


async def delete(tx: Tx, group: EndpointGroup) -> None:
    await tx.delete(ENDPOINT_GROUPS, group)
