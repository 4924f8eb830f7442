"""Losses: what dies when somebody has less than before.

Whoever loses a role, by whatever way, loses every token that rested on it and every application credential that was
made from it, in the transaction that takes the role away.
"""

from trivet.domain.identity.delegation.application_credentials import APP_CREDENTIALS
from trivet.domain.identity.people.roles import ROLES, note_change
from trivet.domain.identity.tokens import revocations
from trivet.domain.identity.tokens.tokens import grant_of
from trivet.domain.row_locks import hold
from trivet.store.tx import Tx
from trivet.store.where import Where


async def of_target(tx: Tx, target_id: str) -> None:
    """Assignments on a project or a domain, and application credentials for it."""
    await tx.run("DELETE FROM assignments WHERE target_id = ?", target_id)
    for credential in await tx.select(APP_CREDENTIALS, Where().equal("project_id", target_id)):
        await revocations.cut(tx, "app_credential", credential.id)
        await tx.delete(APP_CREDENTIALS, credential)


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
    """Cuts the tokens of everybody who has this role, itself or through a role that implies it: it will mean less."""
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
