"""Implied roles: who has the prior role has the implied one too."""

from trivet.domain.callers import Caller
from trivet.domain.identity import memory
from trivet.domain.identity.grants import losses
from trivet.domain.identity.people import roles
from trivet.domain.identity.people.projects import refuse_immutable
from trivet.domain.identity.people.roles import LADDER, ROLES, Role
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.store.tx import Tx


async def pair(tx: Tx, prior_id: str, implied_id: str) -> tuple[Role, Role]:
    return await roles.need(tx, prior_id), await roles.need(tx, implied_id)


async def holds(tx: Tx, prior_id: str, implied_id: str) -> bool:
    row = await tx.row("SELECT 1 FROM implied_roles WHERE prior_id = ? AND implied_id = ?", prior_id, implied_id)
    return row is not None


async def add(tx: Tx, prior_id: str, implied_id: str) -> tuple[Role, Role]:
    prior, implied = await pair(tx, prior_id, implied_id)
    if implied.name == "admin" and implied.domain_id is None:
        raise Forbidden("role.not_implied", f"{implied.id} cannot be an implied role.")
    if prior.domain_id is None and implied.domain_id is not None:
        raise Forbidden("role.not_implied", "A role of everywhere cannot imply one that belongs to a domain.")
    # Held from here on: two halves of a circle that come at once do not miss each other.
    await roles.note_change(tx)
    if prior_id == implied_id or await _reaches(tx, implied_id, prior_id):
        raise Invalid("role.circle", "Roles cannot imply each other in a circle.")
    await tx.run(
        "INSERT INTO implied_roles (prior_id, implied_id) VALUES (?, ?) ON CONFLICT DO NOTHING", prior_id, implied_id
    )
    memory.note(tx, "implied_roles", prior_id)
    return prior, implied


async def _reaches(tx: Tx, start: str, end: str) -> bool:
    row = await tx.row(
        "WITH RECURSIVE far (id) AS (SELECT implied_id FROM implied_roles WHERE prior_id = ?"
        " UNION SELECT i.implied_id FROM implied_roles i JOIN far ON i.prior_id = far.id)"
        " SELECT 1 FROM far WHERE id = ?",
        start,
        end,
    )
    return row is not None


async def remove(tx: Tx, prior_id: str, implied_id: str) -> None:
    prior, implied = await pair(tx, prior_id, implied_id)
    if not await holds(tx, prior_id, implied_id):
        raise NotFound("role.not_implied", f"{prior_id} does not imply {implied_id}.")
    if prior.name in LADDER and implied.name in LADDER and prior.domain_id is None and implied.domain_id is None:
        raise Forbidden("role.ladder", "reader < member < manager < admin is this cloud's own rule, and stays.")
    await roles.note_change(tx)
    await losses.cut_holders(tx, prior_id)
    await tx.run("DELETE FROM implied_roles WHERE prior_id = ? AND implied_id = ?", prior_id, implied_id)
    memory.note(tx, "implied_roles", prior_id)


async def of(tx: Tx, prior_id: str) -> list[Role]:
    rows = await tx.rows(
        f"SELECT {', '.join(f'r.{column}' for column in ROLES.columns)} FROM roles r"
        " JOIN implied_roles i ON i.implied_id = r.id WHERE i.prior_id = ? ORDER BY r.name",
        prior_id,
    )
    return [ROLES.from_row(row) for row in rows]


async def everything(tx: Tx) -> list[tuple[Role, list[Role]]]:
    rows = await tx.rows("SELECT DISTINCT prior_id FROM implied_roles ORDER BY prior_id")
    return [(await roles.need(tx, prior_id), await of(tx, prior_id)) for (prior_id,) in rows]


async def delete_role(tx: Tx, caller: Caller, id: str) -> None:
    found = await roles.changeable(tx, caller, id, "identity:delete_role")
    refuse_immutable(found.options, None)
    await losses.role(tx, id)
    await tx.run("DELETE FROM implied_roles WHERE prior_id = ? OR implied_id = ?", id, id)
    await tx.delete(ROLES, found)
