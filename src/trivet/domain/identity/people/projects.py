"""Projects: what things belong to. A domain is a project that holds users, groups and other projects."""

from typing import Any

from trivet.domain.callers import Caller
from trivet.domain.identity import extras, operators, personas
from trivet.domain.identity.tokens import revocations
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

DEFAULT_DOMAIN = "default"
_DEPTH_MAX = 5


class Project(Record, frozen=True, kw_only=True):
    name: str
    domain_id: str | None
    """None of a domain."""
    parent_id: str | None
    """The domain, for a project at the top."""
    is_domain: bool = False
    enabled: bool = True
    description: str = ""
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


PROJECTS = Table("projects", Project)

# The project itself first, then its parent, and so on up to the domain.
_SQL_UP = f"""
    WITH RECURSIVE up (id, parent_id, level) AS (
        SELECT id, parent_id, 0 FROM projects WHERE id = ?
        UNION ALL SELECT p.id, p.parent_id, up.level + 1 FROM projects p JOIN up ON p.id = up.parent_id
    )
    SELECT {", ".join(f"p.{column}" for column in PROJECTS.columns)}
    FROM projects p JOIN up ON up.id = p.id ORDER BY up.level
"""
_SQL_DOWN = f"""
    WITH RECURSIVE down (id) AS (
        SELECT id FROM projects WHERE parent_id = ?
        UNION ALL SELECT p.id FROM projects p JOIN down ON p.parent_id = down.id
    )
    SELECT {", ".join(f"p.{column}" for column in PROJECTS.columns)}
    FROM projects p JOIN down ON down.id = p.id ORDER BY p.name
"""


async def parents(tx: Tx, project_id: str) -> list[Project]:
    """Nearest first; the domain last."""
    return (await _up_from(tx, project_id))[1:]


async def subtree(tx: Tx, project_id: str) -> list[Project]:
    return [PROJECTS.from_row(row) for row in await tx.rows(_SQL_DOWN, project_id)]


async def exists(tx: Tx, id: str) -> bool:
    return await tx.row("SELECT 1 FROM projects WHERE id = ?", id) is not None


async def need(tx: Tx, id: str, *, noun: str = "project") -> Project:
    found = await tx.get(PROJECTS, id)
    if found is None or (noun == "domain" and not found.is_domain):
        raise NotFound(f"{noun}.absent", f"Could not find {noun}: {id[:64]}.")
    return found


async def visible(tx: Tx, caller: Caller, id: str) -> Project:
    found = await tx.get(PROJECTS, id)
    if id != caller.project_id:
        personas.need_look(caller, domain_of(found), "identity:get_project")
    if found is None:
        raise NotFound("project.absent", f"Could not find project: {id[:64]}.")
    return found


def domain_of(project: Project | None) -> str | None:
    return (project.domain_id or project.id) if project is not None else None


async def create(tx: Tx, caller: Caller, new: Project) -> Project:
    """A project whose domain or parent may still be unsaid; or a domain."""
    if new.is_domain:
        return await create_domain(tx, caller, new)
    personas.need_manage(caller, new.domain_id, "identity:create_project")
    parent_id = new.parent_id or new.domain_id or caller.domain_id or caller.project_domain_id or DEFAULT_DOMAIN
    above = [*await _checked_parent(tx, parent_id)]
    domain_id = domain_of(above[0])
    if new.domain_id is not None and new.domain_id != domain_id:
        raise Invalid("project.parent", "A project is in the domain of its parent.")
    if len(above) > _DEPTH_MAX:
        raise Forbidden("project.depth", f"Projects may be at most {_DEPTH_MAX} deep.")
    return await _insert(tx, new, domain_id=domain_id, parent_id=parent_id)


async def _checked_parent(tx: Tx, parent_id: str) -> list[Project]:
    above = await _up_from(tx, parent_id)
    if not above:
        raise Invalid("project.parent_absent", f"Could not find project: {parent_id[:64]}.")
    try:
        await _need_enabled(tx, above)
    except Forbidden as error:
        # To make one below is no good request, to enable one is forbidden, as upstream.
        raise Invalid(error.code, error.message) from error
    return above


async def _up_from(tx: Tx, id: str) -> list[Project]:
    return [PROJECTS.from_row(row) for row in await tx.rows(_SQL_UP, id)]


async def _need_enabled(tx: Tx, above: list[Project]) -> None:
    """Nearest first. That one is held: who disables it looks below after this commits, or this sees that it is so."""
    _refuse_disabled(above)
    await hold(tx, PROJECTS, above[0].id)
    _refuse_disabled(await _up_from(tx, above[0].id))


def _refuse_disabled(above: list[Project]) -> None:
    if not all(project.enabled for project in above):
        raise Forbidden("project.parent_disabled", "A project cannot be made or enabled below one that is disabled.")


async def create_domain(tx: Tx, caller: Caller, new: Project) -> Project:
    personas.need_operator(caller, "identity:create_domain")
    if new.parent_id is not None or new.domain_id is not None:
        raise Invalid("domain.parent", "A domain is in no other domain and below no project.")
    return await _insert(tx, new, domain_id=None, parent_id=None)


async def _insert(tx: Tx, new: Project, *, domain_id: str | None, parent_id: str | None) -> Project:
    await _free_name(tx, new.name, domain_id, None)
    if await tx.get(PROJECTS, new.id) is not None:
        raise Conflict("project.exists", f"There is already something with the id {new.id}.")
    made = Project(
        id=new.id,
        name=new.name,
        domain_id=domain_id,
        parent_id=parent_id,
        is_domain=new.is_domain,
        enabled=new.enabled,
        description=new.description,
        tags=new.tags,
        options=new.options,
        extra=new.extra,
    )
    return await tx.insert(PROJECTS, made)


async def _free_name(tx: Tx, name: str, domain_id: str | None, but: str | None) -> None:
    where = "name = ? AND COALESCE(domain_id, '') = ? AND id <> ?"
    if await tx.find(PROJECTS, where, name, domain_id or "", but or "") is not None:
        noun = "project" if domain_id else "domain"
        raise Conflict(f"{noun}.exists", f"It is not permitted to have two {noun}s with the same name: {name[:64]}.")


async def managed(tx: Tx, caller: Caller, id: str, action: str) -> Project:
    """Not one in which operators work, for who manages only the domain."""
    found = await tx.get(PROJECTS, id)
    personas.need_manage(caller, domain_of(found), action)
    await operators.refuse_acting_on(tx, caller, action, project_id=id)
    if found is None:
        raise NotFound("project.absent", f"Could not find project: {id[:64]}.")
    return found


async def update(tx: Tx, caller: Caller, id: str, changes: dict[str, Any]) -> Project:
    """Changes a project or a domain; `changes` are fields of the record."""
    found = await managed(tx, caller, id, "identity:update_project")
    if found.is_domain:
        personas.need_operator(caller, "identity:update_domain")
    refuse_immutable(found.options, changes)
    _refuse_moving(found, changes)
    if changes.get("name", found.name) != found.name:
        await _free_name(tx, changes["name"], found.domain_id, id)
    if changes.get("enabled") is False and found.enabled:
        await _disable(tx, found)
    if changes.get("enabled") is True and not found.enabled and found.parent_id is not None:
        await _need_enabled(tx, await parents(tx, id))
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    if "options" in changes:
        changes["options"] = extras.options(found.options, changes["options"])
    return await tx.update(PROJECTS, found, **changes)


def _refuse_moving(found: Project, changes: dict[str, Any]) -> None:
    for field, told in (("domain_id", "domain"), ("parent_id", "parent"), ("is_domain", "kind")):
        if field in changes and changes[field] != getattr(found, field):
            if field == "parent_id":
                raise Forbidden("project.parent_fixed", "Update of `parent_id` is not allowed.")
            raise Invalid("project.fixed", f"The {told} of a project cannot be changed.")


async def _disable(tx: Tx, found: Project) -> None:
    if found.is_domain:
        await revocations.cut(tx, "domain", found.id)
        return
    await hold(tx, PROJECTS, found.id)
    if any(project.enabled for project in await subtree(tx, found.id)):
        raise Forbidden("project.children", "A project cannot be disabled while projects below it are enabled.")
    await revocations.cut(tx, "project", found.id)


def refuse_immutable(options: dict[str, Any], changes: dict[str, Any] | None) -> None:
    """Unless the change lifts it, and does nothing else. None: it is to be deleted."""
    if options.get("immutable") is not True:
        return
    asked = (changes or {}).get("options", {})
    if list(changes or ()) == ["options"] and asked.get("immutable", True) is not True:
        return
    raise Forbidden("resource.immutable", "This is immutable: change its option first.")
