"""Limit rules: who may see and set limits, and what strict_two_level asks of them.

Under that model nobody may be allowed more than the scope above him.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import personas
from trivet.domain.identity.people import projects
from trivet.domain.limits import limits
from trivet.domain.limits.limits import LIMITS, REGISTERED_LIMITS, Limit, RegisteredLimit
from trivet.domain.limits.registered_limits import check_places
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store import leases
from trivet.store.tx import Tx
from trivet.store.where import Where

_AT_ONCE = 500


class Shown(msgspec.Struct, frozen=True):
    limit: Limit
    of_domain: bool
    domain_id: str
    """The domain of the scope, or the scope itself if it is a domain."""


async def visible(tx: Tx, caller: Caller, id: str) -> Shown:
    limit = await tx.get(LIMITS, id)
    shown = await _shown(tx, limit) if limit is not None else None
    if not personas.sees_all(caller) and (shown is None or not _concerns(caller, shown)):
        raise personas.refusal("identity:get_limit")
    if shown is None:
        raise _absent(id)
    return shown


async def need(tx: Tx, id: str) -> Shown:
    limit = await tx.get(LIMITS, id)
    if limit is None:
        raise _absent(id)
    return await _shown(tx, limit)


def _absent(id: str) -> NotFound:
    return NotFound("limit.absent", f"Could not find limit for {id[:64]}.")


def listed(caller: Caller, project_id: str | None, domain_id: str | None) -> Where:
    """What concerns the caller; a service enforces everybody's. Narrowed to a project's, or to a domain's own."""
    where = Where()
    if caller.domain_id is not None and not personas.sees_all(caller):
        inside = "(scope_id = ? OR scope_id IN (SELECT id FROM projects WHERE domain_id = ?))"
        where.add(inside, caller.domain_id, caller.domain_id)
    elif not personas.sees_all(caller) and not caller.has("service"):
        where.equal("scope_id", caller.project_id or "")
    for scope_id, of_domain in ((project_id, 0), (domain_id, 1)):
        if scope_id is not None:
            where.equal("scope_id", scope_id)
            where.add("scope_id IN (SELECT id FROM projects WHERE is_domain = ?)", of_domain)
    return where


async def shown(tx: Tx, found: Sequence[Limit]) -> list[Shown]:
    scopes: dict[str, projects.Project] = {}
    ids = sorted({limit.scope_id for limit in found})
    for at in range(0, len(ids), _AT_ONCE):
        rows = await tx.select(projects.PROJECTS, Where().any_of("id", ids[at : at + _AT_ONCE]))
        scopes |= {project.id: project for project in rows}
    return [_of(limit, scopes[limit.scope_id]) for limit in found]


def _concerns(caller: Caller, shown: Shown) -> bool:
    if caller.domain_id is not None:
        return shown.domain_id == caller.domain_id
    return caller.project_id is not None and shown.limit.scope_id == caller.project_id


async def _shown(tx: Tx, limit: Limit) -> Shown:
    return _of(limit, await projects.need(tx, limit.scope_id))


def _of(limit: Limit, scope: projects.Project) -> Shown:
    return Shown(limit=limit, of_domain=scope.is_domain, domain_id=scope.domain_id or scope.id)


async def create(
    tx: Tx,
    *,
    scope_id: str,
    is_domain: bool,
    service_id: str,
    region_id: str | None,
    resource_name: str,
    resource_limit: int,
    description: str | None,
) -> Shown:
    strict = await _strict_turn(tx)
    scope = await tx.get(projects.PROJECTS, scope_id)
    if scope is None or scope.is_domain != is_domain:
        raise Invalid("limit.scope", f"Could not find {'domain' if is_domain else 'project'}: {scope_id[:64]}.")
    await check_places(tx, service_id, region_id)
    registered = await tx.find(
        REGISTERED_LIMITS,
        "resource_name = ? AND service_id = ? AND COALESCE(region_id, '') = ?",
        resource_name,
        service_id,
        region_id or "",
    )
    if registered is None:
        raise Forbidden("limit.unregistered", "Unable to create a limit that has no corresponding registered limit.")
    if await tx.find(LIMITS, "scope_id = ? AND registered_limit_id = ?", scope_id, registered.id) is not None:
        raise Conflict("limit.exists", f"{scope_id} has a limit for {resource_name} already.")
    if strict:
        await _check_tree(tx, registered, scope, resource_limit)
    limit = Limit(
        id=tx.ids.hex(),
        scope_id=scope_id,
        registered_limit_id=registered.id,
        service_id=service_id,
        region_id=region_id,
        resource_name=resource_name,
        resource_limit=resource_limit,
        description=description,
    )
    return await _shown(tx, await tx.insert(LIMITS, limit))


async def update(tx: Tx, id: str, changes: dict[str, Any]) -> Shown:
    strict = await _strict_turn(tx)
    found = (await need(tx, id)).limit
    changed = await tx.update(LIMITS, found, **changes)
    if strict:
        registered = await tx.need(REGISTERED_LIMITS, found.registered_limit_id, "registered limit")
        await _check_tree(tx, registered, await projects.need(tx, found.scope_id), changed.resource_limit)
    return await _shown(tx, changed)


async def set_limit(tx: Tx, project_id: str, resource: str, limit: int) -> None:
    """Sets a limit in the way of the quota calls of compute and network."""
    strict = await _strict_turn(tx)
    registered = await limits.set_limit(tx, project_id, resource, limit)
    scope = await tx.get(projects.PROJECTS, project_id) if strict else None
    if scope is not None:
        await _check_tree(tx, registered, scope, limit)


async def delete(tx: Tx, id: str) -> None:
    await tx.delete(LIMITS, (await need(tx, id)).limit)


async def _strict_turn(tx: Tx) -> bool:
    """Whether limits bind each other. Then they are changed one request at a time: each looks at those above and below,
    and two that do so at once would each miss the other."""
    strict = await limits.model(tx) == "strict_two_level"
    if strict:
        await leases.take_turn(tx, "limits")
    return strict


async def _check_tree(tx: Tx, registered: RegisteredLimit, scope: projects.Project, wanted: int) -> None:
    above = await _limit_of(tx, registered, scope.parent_id) if scope.parent_id is not None else -1
    if _exceeds(wanted, above):
        raise Forbidden(
            "limit.tree", f"Invalid resource limit: {wanted} is more than the {above} of the scope above it."
        )
    rows = await tx.rows(
        "SELECT l.resource_limit FROM limits l JOIN projects p ON p.id = l.scope_id"
        " WHERE p.parent_id = ? AND l.registered_limit_id = ?",
        scope.id,
        registered.id,
    )
    if any(_exceeds(int(below), wanted) for (below,) in rows):
        raise Forbidden("limit.tree", f"Invalid resource limit: a scope below has more than {wanted}.")


async def _limit_of(tx: Tx, registered: RegisteredLimit, scope_id: str) -> int:
    where = Where().equal("scope_id", scope_id).equal("registered_limit_id", registered.id)
    own = await tx.select(LIMITS, where)
    return own[0].resource_limit if own else registered.default_limit


def _exceeds(limit: int, above: int) -> bool:
    return above >= 0 and (limit < 0 or limit > above)
