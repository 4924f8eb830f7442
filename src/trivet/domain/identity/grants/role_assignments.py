"""Role assignments, as a list: who has which role where, as given or as it takes effect.

Taking effect means: groups become their members, inherited ones become one for each project below, and
roles bring those that they imply.
"""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import assignments, personas
from trivet.domain.identity.assignments import Assignment
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.roles import RoleMap, role_map
from trivet.errors import Invalid
from trivet.store.tx import Tx
from trivet.store.where import Where


class Asked(msgspec.Struct, frozen=True):
    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool = False
    effective: bool = False
    subtree: bool = False


class Found(msgspec.Struct, frozen=True):
    """An assignment, and what it comes from if it was not given as such."""

    assignment: Assignment
    source: Assignment
    membership: str | None = None
    """The group by which the user has it."""
    prior_role_id: str | None = None


async def listed(tx: Tx, memory: IdentityMemory, caller: Caller, asked: Asked) -> list[Found]:
    _check(asked)
    only_domain = None
    if asked.subtree:
        target = await tx.get(projects.PROJECTS, asked.project_id or "")
        personas.need_look(caller, projects.domain_of(target), "identity:list_role_assignments_for_tree")
    else:
        only_domain = personas.list_domain(caller, "identity:list_role_assignments")
    below = await projects.subtree(tx, asked.project_id) if asked.subtree and asked.project_id else []
    targets = {asked.project_id, *(project.id for project in below)} if asked.project_id else None
    found = [Found(assignment=given, source=given) for given in await _given(tx, asked, targets)]
    if asked.effective:
        found = await _effective(tx, found, targets, await role_map(tx, memory))
    found = [one for one in found if _fits(one.assignment, asked, targets)]
    return await _inside(tx, found, only_domain) if only_domain is not None else found


def _check(asked: Asked) -> None:
    if asked.effective and asked.group_id:
        raise Invalid("query.contradiction", "Groups have no effective assignments; ask for their members'.")
    if asked.effective and asked.inherited:
        raise Invalid("query.contradiction", "Effective assignments are never inherited ones.")
    if asked.user_id and asked.group_id:
        raise Invalid("query.contradiction", "Ask for a user or for a group, not for both.")
    if sum((bool(asked.project_id), bool(asked.domain_id), asked.system)) > 1:
        raise Invalid("query.contradiction", "Ask for one scope only.")
    if asked.subtree and not asked.project_id:
        raise Invalid("query.contradiction", "include_subtree needs scope.project.id.")


async def _given(tx: Tx, asked: Asked, targets: set[str] | None) -> list[Assignment]:
    """Assignments as they were given, narrowed in the database; effective ones may come from elsewhere."""
    where = Where()
    if asked.user_id is not None:
        mine = [asked.user_id]
        if asked.effective:
            rows = await tx.rows("SELECT group_id FROM memberships WHERE user_id = ?", asked.user_id)
            mine += [str(row[0]) for row in rows]
        where.any_of("actor_id", mine)
    if asked.group_id is not None:
        where.equal("actor_id", asked.group_id)
    if not asked.effective:
        if asked.role_id is not None:
            where.equal("role_id", asked.role_id)
        if targets is not None:
            where.any_of("target_id", sorted(targets))
        if asked.inherited:
            where.equal("inherited", 1)
    if asked.system:
        where.equal("target_kind", "system")
    if asked.domain_id is not None:
        where.equal("target_id", asked.domain_id)
    return await assignments.everything(tx, where)


async def _effective(tx: Tx, found: list[Found], targets: set[str] | None, known: RoleMap) -> list[Found]:
    spread: list[Found] = []
    for one in found:
        given = one.assignment
        if not given.inherited:
            spread.append(one)
            continue
        for project in await projects.subtree(tx, given.target_id):
            if targets is None or project.id in targets:
                below = msgspec.structs.replace(given, target_kind="project", target_id=project.id, inherited=True)
                spread.append(msgspec.structs.replace(one, assignment=below))
    personal: list[Found] = []
    for one in spread:
        if one.assignment.actor_kind == "user":
            personal.append(one)
            continue
        group_id = one.assignment.actor_id
        for (user_id,) in await tx.rows("SELECT user_id FROM memberships WHERE group_id = ?", group_id):
            held = msgspec.structs.replace(one.assignment, actor_kind="user", actor_id=user_id)
            personal.append(msgspec.structs.replace(one, assignment=held, membership=group_id))
    return [implied for one in personal for implied in _with_implied(one, known)]


def _with_implied(one: Found, known: RoleMap) -> list[Found]:
    prior = one.assignment.role_id
    found = []
    for role_id in sorted(known.closed([prior]), key=lambda id: id != prior):
        if known.by_id[role_id].domain_id is None:
            held = msgspec.structs.replace(one.assignment, role_id=role_id)
            found.append(
                msgspec.structs.replace(one, assignment=held, prior_role_id=None if role_id == prior else prior)
            )
    return found


def _fits(one: Assignment, asked: Asked, targets: set[str] | None) -> bool:
    return (
        (asked.user_id is None or one.actor_id == asked.user_id)
        and (asked.role_id is None or one.role_id == asked.role_id)
        and (targets is None or one.target_id in targets)
        and (asked.domain_id is None or (one.target_id == asked.domain_id and one.target_kind == "domain"))
    )


async def _inside(tx: Tx, found: list[Found], domain_id: str) -> list[Found]:
    rows = await tx.rows("SELECT id FROM projects WHERE domain_id = ?", domain_id)
    inside = {str(row[0]) for row in rows} | {domain_id}
    return [one for one in found if one.assignment.target_kind != "system" and one.assignment.target_id in inside]
