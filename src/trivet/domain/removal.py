"""Removal: what else goes when a user, a group, a project, a domain or a role goes.

Everything in one transaction, and every token that rested on it dies with it.
"""

from trivet.domain.callers import Caller
from trivet.domain.holding import hold
from trivet.domain.identity import personas
from trivet.domain.identity.delegation import trusts
from trivet.domain.identity.delegation.app_credentials import APP_CREDENTIALS
from trivet.domain.identity.delegation.trusts import TRUSTS
from trivet.domain.identity.people import users
from trivet.domain.identity.people.projects import PROJECTS, Project, domain_of, refuse_immutable, subtree
from trivet.domain.identity.people.roles import ROLES, note_change
from trivet.domain.identity.people.users import USERS
from trivet.domain.identity.tokens import revocations
from trivet.domain.identity.tokens.tokens import grant_of
from trivet.domain.limits import quotas
from trivet.domain.network.groups import security_groups
from trivet.domain.servers import keypairs
from trivet.errors import Forbidden, NotFound
from trivet.store.tx import Change, Tx
from trivet.store.where import Where


async def user(tx: Tx, caller: Caller, id: str) -> None:
    gone = await users.managed(tx, caller, id, "identity:delete_user")
    await hold(tx, USERS, gone.id)
    await revocations.cut(tx, "user", gone.id)
    await tx.run("DELETE FROM assignments WHERE actor_id = ? AND actor_kind = 'user'", gone.id)
    await tx.run("DELETE FROM credentials WHERE user_id = ?", gone.id)
    await tx.run("DELETE FROM oauth_tokens WHERE user_id = ?", gone.id)
    await end_trusts(tx, Where().add("(trustor_id = ? OR trustee_id = ?)", gone.id, gone.id))
    await keypairs.forget(tx, gone.id)
    quotas.forget(tx, gone.id)
    await tx.delete(USERS, gone)


async def project(tx: Tx, caller: Caller, id: str) -> None:
    gone = await tx.get(PROJECTS, id)
    if gone is not None and gone.is_domain:
        await domain(tx, caller, id)
        return
    personas.need_manage(caller, domain_of(gone), "identity:delete_project")
    if gone is None:
        raise NotFound("project.absent", f"Could not find project: {id[:64]}.")
    refuse_immutable(gone.options, None)
    if await tx.find(PROJECTS, "parent_id = ?", id) is not None:
        raise Forbidden("project.children", f"Cannot delete project {id}: there are projects below it.")
    await _project(tx, gone)


async def domain(tx: Tx, caller: Caller, id: str) -> None:
    """With everything in it. It must have been disabled before, so that this is no slip."""
    personas.need_operator(caller, "identity:delete_domain")
    gone = await tx.get(PROJECTS, id)
    if gone is None or not gone.is_domain:
        raise NotFound("domain.absent", f"Could not find domain: {id[:64]}.")
    refuse_immutable(gone.options, None)
    if gone.enabled:
        raise Forbidden("domain.enabled", "Cannot delete a domain that is enabled, please disable it first.")
    await revocations.cut(tx, "domain", id)
    for (user_id,) in await tx.rows("SELECT id FROM users WHERE domain_id = ?", id):
        await user(tx, caller, user_id)
    for (group_id,) in await tx.rows("SELECT id FROM user_groups WHERE domain_id = ?", id):
        await group(tx, group_id)
    await tx.run("DELETE FROM user_groups WHERE domain_id = ?", id)
    children = await subtree(tx, id)
    while children:
        parents = {child.parent_id for child in children}
        for leaf in [child for child in children if child.id not in parents]:
            await _project(tx, leaf)
            children.remove(leaf)
    for (role_id,) in await tx.rows("SELECT id FROM roles WHERE domain_id = ?", id):
        await role(tx, role_id)
    await tx.run("DELETE FROM roles WHERE domain_id = ?", id)
    await tx.run("DELETE FROM identity_providers WHERE domain_id = ?", id)
    await _project(tx, gone)


async def _project(tx: Tx, gone: Project) -> None:
    await hold(tx, PROJECTS, gone.id)
    await revocations.cut(tx, "project", gone.id)
    await of_target(tx, gone.id)
    await tx.run("DELETE FROM credentials WHERE project_id = ?", gone.id)
    await tx.run("DELETE FROM endpoint_projects WHERE project_id = ?", gone.id)
    await tx.run("DELETE FROM endpoint_group_projects WHERE project_id = ?", gone.id)
    await tx.run("DELETE FROM oauth_tokens WHERE project_id = ?", gone.id)
    await end_trusts(tx, Where().equal("project_id", gone.id))
    await tx.run("UPDATE users SET default_project_id = NULL WHERE default_project_id = ?", gone.id)
    await security_groups.forget_default(tx, gone.id)
    quotas.forget(tx, gone.id)
    await tx.delete(PROJECTS, gone)


async def of_target(tx: Tx, target_id: str) -> None:
    """Assignments on a project or a domain, and application credentials for it."""
    await tx.run("DELETE FROM assignments WHERE target_id = ?", target_id)
    for credential in await tx.select(APP_CREDENTIALS, Where().equal("project_id", target_id)):
        await revocations.cut(tx, "app_credential", credential.id)
        await tx.delete(APP_CREDENTIALS, credential)


async def trust(tx: Tx, caller: Caller, id: str) -> None:
    trusts.refuse_domain_scope(caller, "identity:delete_trust")
    found = await trusts.need(tx, id)
    if caller.user_id != found.trustor_id:
        personas.need_operator(caller, "identity:delete_trust")
    await end_trusts(tx, Where().equal("id", found.id))


async def end_trusts(tx: Tx, where: Where) -> None:
    """And those that were delegated on from them."""
    for ended in await tx.select(TRUSTS, where.add("deleted_at IS NULL")):
        await revocations.cut(tx, "trust", ended.id)
        await tx.update(TRUSTS, ended, deleted_at=tx.clock.now())
        await end_trusts(tx, Where().equal("redelegated_from", ended.id))


async def group(tx: Tx, group_id: str) -> None:
    """What rests on a group; the group itself is its caller's to delete."""
    await cut_members(tx, group_id, None)
    await tx.run("DELETE FROM assignments WHERE actor_id = ? AND actor_kind = 'group'", group_id)


async def cut_members(tx: Tx, group_id: str, target_id: str | None) -> None:
    for (user_id,) in await tx.rows("SELECT user_id FROM memberships WHERE group_id = ?", group_id):
        await lost_role(tx, user_id, target_id)


async def lost_role(tx: Tx, user_id: str, target_id: str | None) -> None:
    """A user has less than before on a target (None: on any). Its tokens for that, and what was made from them, die."""
    where = Where().equal("user_id", user_id)
    if target_id is None:
        await revocations.cut(tx, "user", user_id)
    else:
        await revocations.cut(tx, "grant", grant_of(user_id, target_id))
        where.equal("project_id", target_id)
    for credential in await tx.select(APP_CREDENTIALS, where):
        await revocations.cut(tx, "app_credential", credential.id)
        await tx.delete(APP_CREDENTIALS, credential)


async def cut_holders(tx: Tx, role_id: str) -> None:
    """Who has a role will have less: by it, or by a role that implies it."""
    rows = await tx.rows(
        "WITH RECURSIVE prior (id) AS (SELECT id FROM roles WHERE id = ?"
        " UNION SELECT i.prior_id FROM implied_roles i JOIN prior ON i.implied_id = prior.id)"
        " SELECT DISTINCT actor_kind, actor_id, target_id, inherited FROM assignments"
        " WHERE role_id IN (SELECT id FROM prior)",
        role_id,
    )
    for actor_kind, actor_id, target_id, inherited in rows:
        narrowed = None if inherited else target_id
        if actor_kind == "user":
            await lost_role(tx, actor_id, narrowed)
        else:
            await cut_members(tx, actor_id, narrowed)


async def role(tx: Tx, role_id: str) -> None:
    """What rests on a role; the role itself is its caller's to delete."""
    await note_change(tx)
    await hold(tx, ROLES, role_id)
    await cut_holders(tx, role_id)
    await tx.run("DELETE FROM assignments WHERE role_id = ?", role_id)


def note(tx: Tx, noun: str, id: str) -> None:
    """For rows without a record of their own: tell the log, so that memos are emptied everywhere."""
    tx.note(Change(noun=noun, id=id, verb="updated", revision=1))
