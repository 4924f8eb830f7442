"""Grants: giving and taking assignments, and who may.

The operator gives anything; a manager of a domain gives the roles up to his own inside his domain.
"""

from trivet.domain.callers import Caller
from trivet.domain.identity import assignments, personas
from trivet.domain.identity.assignments import Assignment
from trivet.domain.identity.grants import groups, losses
from trivet.domain.identity.people import projects, roles, users
from trivet.domain.identity.people.roles import Role
from trivet.domain.row_locks import hold
from trivet.errors import Forbidden, NotFound
from trivet.store.tx import Change, Tx
from trivet.store.where import Where


async def give(tx: Tx, caller: Caller, wanted: Assignment) -> None:
    role = await _checked(tx, caller, wanted, changing=True)
    await _hold(tx, wanted)
    if role.domain_id is not None and wanted.target_kind == "project":
        target = await projects.need(tx, wanted.target_id)
        if projects.domain_of(target) != role.domain_id:
            raise Forbidden(
                "role.other_domain",
                f"{wanted.target_kind.capitalize()} {wanted.target_id} must be in the same domain as the role"
                f" {role.id} being assigned.",
            )
    if await assignments.add(tx, wanted):
        _note(tx, wanted)


async def take(tx: Tx, caller: Caller, unwanted: Assignment) -> None:
    await _checked(tx, caller, unwanted, changing=True)
    await _hold(tx, unwanted)
    if not await assignments.remove(tx, unwanted):
        raise _absent(unwanted)
    narrowed = None if unwanted.inherited else unwanted.target_id
    if unwanted.actor_kind == "user":
        await losses.lost_role(tx, unwanted.actor_id, narrowed)
    else:
        await losses.cut_members(tx, unwanted.actor_id, narrowed)
    _note(tx, unwanted)


async def check(tx: Tx, caller: Caller, asked: Assignment) -> None:
    await _checked(tx, caller, asked, changing=False)
    if not await assignments.holds(tx, asked):
        raise _absent(asked)


async def roles_of(tx: Tx, caller: Caller, asked: Assignment) -> Where:
    """The roles that an actor was given on a target; `role_id` of what is asked does not matter."""
    await _checked(tx, caller, asked, changing=False, any_role=True)
    return Where().any_of("id", await assignments.role_ids(tx, asked))


async def _checked(tx: Tx, caller: Caller, asked: Assignment, *, changing: bool, any_role: bool = False) -> Role:
    """Checks the caller first, and only then whether what is named exists: who may not is not told that. Who may is
    told of the role first, then of who is to have it, then of where."""
    actor_domain = await _actor_domain(tx, asked)
    target = await tx.get(projects.PROJECTS, asked.target_id) if asked.target_kind != "system" else None
    role = None if any_role else await tx.get(roles.ROLES, asked.role_id)
    _refuse(caller, asked, actor_domain, projects.domain_of(target), role, changing=changing)
    role = _ANY if any_role else role or await roles.need(tx, asked.role_id)
    if actor_domain is None:
        raise NotFound(f"{asked.actor_kind}.absent", f"Could not find {asked.actor_kind}: {asked.actor_id[:64]}.")
    # A domain is also a project, one that acts as a domain; a project is no domain.
    wrong = target is None or (asked.target_kind == "domain" and not target.is_domain)
    if asked.target_kind != "system" and wrong:
        noun = asked.target_kind
        raise NotFound(f"{noun}.absent", f"Could not find {noun}: {asked.target_id[:64]}.")
    return role


_ANY = Role(id="", name="")


def _refuse(
    caller: Caller,
    asked: Assignment,
    actor_domain: str | None,
    target_domain: str | None,
    role: Role | None,
    *,
    changing: bool,
) -> None:
    action = f"identity:{'create' if changing else 'check'}_grant"
    if asked.target_kind == "system":
        if caller.domain_id is not None:
            raise personas.refusal(action)
        if changing:
            personas.need_operator(caller, action)
        personas.need_sees_all(caller, action)
        return
    if changing and caller.is_operator:
        return
    if not changing and personas.sees_all(caller):
        return
    mine = caller.domain_id is not None and actor_domain == caller.domain_id == target_domain
    fits = role is None or role.domain_id in (None, caller.domain_id)
    if changing:
        fits = role is not None and role.domain_id is None and role.name in roles.MANAGED
    if not (mine and fits and caller.has("manager" if changing else "reader")):
        raise personas.refusal(action)


async def _actor_domain(tx: Tx, asked: Assignment) -> str | None:
    if asked.actor_kind == "user":
        user = await tx.get(users.USERS, asked.actor_id)
        return user.domain_id if user is not None else None
    group = await tx.get(groups.GROUPS, asked.actor_id)
    return group.domain_id if group is not None else None


async def _hold(tx: Tx, about: Assignment) -> None:
    if about.actor_kind == "user":
        await hold(tx, users.USERS, about.actor_id)
    else:
        await hold(tx, groups.GROUPS, about.actor_id)
    if about.target_kind != "system":
        await hold(tx, projects.PROJECTS, about.target_id)
    await hold(tx, roles.ROLES, about.role_id)


def _absent(asked: Assignment) -> NotFound:
    return NotFound(
        "assignment.absent",
        f"Could not find role assignment with role: {asked.role_id[:64]}, user or group: {asked.actor_id[:64]},"
        f" project, domain, or system: {asked.target_id[:64]}.",
    )


def _note(tx: Tx, changed: Assignment) -> None:
    tx.note(Change(noun="assignments", id=changed.actor_id, verb="updated", revision=1))
