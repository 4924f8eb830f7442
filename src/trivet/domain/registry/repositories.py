"""Repositories: where a project's manifests and their layers are. One is made by the first push into it.

A project's namespace is its id, which every name of a repository can hold. Projects of the domain `default` have
their name as well, if it is written as names of repositories are.
"""

from trivet.domain.callers import Caller
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS, Project
from trivet.domain.registry import names
from trivet.domain.row_locks import hold, hold_known
from trivet.errors import NotFound, OverQuota
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

REPOSITORIES_MAX = 1000
"""Of one project."""


class Repository(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    created_at: float


REPOSITORIES = Table("registry_repositories", Repository)

_OPEN = "is_domain = 0 AND enabled = 1 AND (SELECT d.enabled FROM projects d WHERE d.id = projects.domain_id) = 1"


def absent(path: str) -> NotFound:
    return NotFound("repository.absent", f"There is no repository {path[:255]!r} that you may see.")


async def project_of(tx: Tx, path: names.Path) -> Project | None:
    """An id comes before a name: nobody takes over another's namespace by calling his project so."""
    named = f"{_OPEN} AND (id = ? OR (domain_id = ? AND name = ?))"
    where = Where().add(named, path.namespace, DEFAULT_DOMAIN, path.namespace)
    found = await tx.select(PROJECTS, where, limit=2)
    return next((one for one in found if one.id == path.namespace), found[0] if found else None)


async def find(tx: Tx, text: str) -> Repository | None:
    """Whether or not the caller may see anything in it."""
    path = names.path(text)
    project = await project_of(tx, path)
    if project is None:
        return None
    return await of_project(tx, project.id, path.name)


async def of_project(tx: Tx, project_id: str, name: str) -> Repository | None:
    return await tx.find(REPOSITORIES, "project_id = ? AND name = ?", project_id, name)


async def need_own(tx: Tx, caller: Caller, text: str) -> Repository:
    """One of the caller's project, which is there."""
    found = await find(tx, text)
    if found is None or not caller.owns(found.project_id):
        raise absent(text)
    return found


async def need_namespace(tx: Tx, caller: Caller, text: str) -> None:
    """Before anything that was sent is looked at: in others' namespaces there is nothing."""
    project = await project_of(tx, names.path(text))
    if project is None or not caller.owns(project.id):
        raise absent(text)


async def ensure(tx: Tx, caller: Caller, text: str) -> Repository:
    """The caller's own repository of that name, made if it is not there; held until the end of the transaction."""
    path = names.path(text)
    project = await project_of(tx, path)
    if project is None or not caller.owns(project.id):
        raise absent(text)
    return await ensure_in(tx, project.id, path.name)


async def ensure_in(tx: Tx, project_id: str, name: str) -> Repository:
    found = await of_project(tx, project_id, name)
    if found is not None:
        await hold(tx, REPOSITORIES, found.id)
        return found
    await hold_known(tx, PROJECTS, project_id, "project")
    row = await tx.row("SELECT COUNT(*) FROM registry_repositories WHERE project_id = ?", project_id)
    if row is not None and int(row[0]) >= REPOSITORIES_MAX:
        raise OverQuota("repository.too_many", f"A project has {REPOSITORIES_MAX} repositories at most.")
    new = Repository(id=tx.ids.uuid(), project_id=project_id, name=name, created_at=tx.clock.now())
    return await tx.insert(REPOSITORIES, new)
