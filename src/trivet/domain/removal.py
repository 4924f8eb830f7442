"""Removal: what else goes when a user, a project or a domain goes.

Everything in one transaction, and every token that rested on it dies with it.
"""

from typing import Any

from trivet.domain.alarms import subscriptions
from trivet.domain.callers import Caller
from trivet.domain.causes import fault_reports
from trivet.domain.identity import personas
from trivet.domain.identity.delegation import trusts
from trivet.domain.identity.grants import losses
from trivet.domain.identity.grants.groups import GROUPS
from trivet.domain.identity.people import projects, users
from trivet.domain.identity.people.projects import PROJECTS, Project, refuse_immutable, subtree
from trivet.domain.identity.people.roles import note_change
from trivet.domain.identity.people.users import USERS
from trivet.domain.identity.tokens import revocations
from trivet.domain.key_manager import project_end
from trivet.domain.limits import quotas
from trivet.domain.network.groups import security_groups
from trivet.domain.row_locks import hold
from trivet.domain.servers import keypairs
from trivet.errors import Forbidden, NotFound
from trivet.store.tables import Table
from trivet.store.tx import Tx
from trivet.store.where import Where


async def user(tx: Tx, caller: Caller, id: str) -> None:
    gone = await users.managed(tx, caller, id, "identity:delete_user")
    await hold(tx, USERS, gone.id)
    await revocations.cut(tx, "user", gone.id)
    await tx.run("DELETE FROM assignments WHERE actor_id = ? AND actor_kind = 'user'", gone.id)
    await tx.run("DELETE FROM credentials WHERE user_id = ?", gone.id)
    await tx.run("DELETE FROM oauth_tokens WHERE user_id = ?", gone.id)
    await trusts.end(tx, Where().add("(trustor_id = ? OR trustee_id = ?)", gone.id, gone.id))
    await keypairs.forget(tx, gone.id)
    quotas.forget(tx, gone.id)
    await tx.delete(USERS, gone)


async def project(tx: Tx, caller: Caller, id: str) -> None:
    gone = await tx.get(PROJECTS, id)
    if gone is not None and gone.is_domain:
        await domain(tx, caller, id)
        return
    gone = await projects.managed(tx, caller, id, "identity:delete_project")
    refuse_immutable(gone.options, None)
    if await tx.find(PROJECTS, "parent_id = ?", id) is not None:
        raise Forbidden("project.children", f"Cannot delete project {id}: there are projects below it.")
    await _project(tx, gone)


async def domain(tx: Tx, caller: Caller, id: str) -> None:
    """Removes a domain with everything in it. It must have been disabled before, so that this is no slip."""
    personas.need_operator(caller, "identity:delete_domain")
    gone = await tx.get(PROJECTS, id)
    if gone is None or not gone.is_domain:
        raise NotFound("domain.absent", f"Could not find domain: {id[:64]}.")
    refuse_immutable(gone.options, None)
    if gone.enabled:
        raise Forbidden("domain.enabled", "Cannot delete a domain that is enabled, please disable it first.")
    await _hold_all(tx, id)
    await revocations.cut(tx, "domain", id)
    for (user_id,) in await tx.rows("SELECT id FROM users WHERE domain_id = ?", id):
        await user(tx, caller, user_id)
    for (group_id,) in await tx.rows("SELECT id FROM user_groups WHERE domain_id = ?", id):
        await losses.group(tx, group_id)
    await tx.run("DELETE FROM user_groups WHERE domain_id = ?", id)
    children = await subtree(tx, id)
    while children:
        parents = {child.parent_id for child in children}
        for leaf in [child for child in children if child.id not in parents]:
            await _project(tx, leaf)
            children.remove(leaf)
    for (role_id,) in await tx.rows("SELECT id FROM roles WHERE domain_id = ?", id):
        await losses.role(tx, role_id)
    await tx.run("DELETE FROM roles WHERE domain_id = ?", id)
    await tx.run("DELETE FROM identity_providers WHERE domain_id = ?", id)
    await _project(tx, gone)


async def _hold_all(tx: Tx, domain_id: str) -> None:
    """Whatever is in a domain, before any of it goes: one by one they would be locked in an order of their own."""
    tables: tuple[Table[Any], ...] = (USERS, GROUPS, PROJECTS)
    for table in tables:
        for (id,) in await tx.rows(f"SELECT id FROM {table.name} WHERE domain_id = ? ORDER BY id", domain_id):
            await hold(tx, table, id)
    await hold(tx, PROJECTS, domain_id)
    await note_change(tx)


async def _project(tx: Tx, gone: Project) -> None:
    await hold(tx, PROJECTS, gone.id)
    await revocations.cut(tx, "project", gone.id)
    await losses.of_target(tx, gone.id)
    await tx.run("DELETE FROM credentials WHERE project_id = ?", gone.id)
    await tx.run("DELETE FROM endpoint_projects WHERE project_id = ?", gone.id)
    await tx.run("DELETE FROM endpoint_group_projects WHERE project_id = ?", gone.id)
    await tx.run("DELETE FROM oauth_tokens WHERE project_id = ?", gone.id)
    await trusts.end(tx, Where().equal("project_id", gone.id))
    await tx.run("UPDATE users SET default_project_id = NULL WHERE default_project_id = ?", gone.id)
    await security_groups.forget_default(tx, gone.id)
    await project_end.forget(tx, gone.id)
    await fault_reports.end_of_project(tx, gone.id)
    await subscriptions.end_of_project(tx, gone.id)
    quotas.forget(tx, gone.id)
    await tx.delete(PROJECTS, gone)
