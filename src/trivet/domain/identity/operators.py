"""Operators: who is more than the manager of his domain, and where such people work.

That is who has a role on the system, or somewhere the role admin, or the role service with which the parts of a cloud
speak for its users; also by a group, by a role that implies one of these, or by a trust that lends one. Such a user or
group may be in the domain of a manager who is nothing of the kind: he sees them, and changes nothing about them.
"""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import personas
from trivet.domain.identity.assignments import MINE
from trivet.store.tx import Tx

_ABOVE = """
    WITH RECURSIVE above (id) AS (
        SELECT id FROM roles WHERE name IN ('admin', 'service') AND domain_id IS NULL
        UNION SELECT i.prior_id FROM implied_roles i JOIN above ON i.implied_id = above.id
    )
"""
_SQL_HOLDS = (
    f"{_ABOVE} SELECT 1 FROM assignments WHERE {MINE}"
    " AND (target_kind = 'system' OR role_id IN (SELECT id FROM above)) LIMIT 1"
)
_SQL_WORK_IN = (
    f"{_ABOVE} SELECT 1 FROM assignments WHERE target_id = ? AND target_kind = 'project'"
    " AND role_id IN (SELECT id FROM above) LIMIT 1"
)
_SQL_LENT = (
    "SELECT DISTINCT role_ids FROM trusts WHERE trustee_id = ? AND deleted_at IS NULL"
    " AND (ends_at IS NULL OR ends_at > ?)"
)


async def are(tx: Tx, actor_id: str) -> bool:
    """Whether a user or a group is of them."""
    if await tx.row(_SQL_HOLDS, actor_id, actor_id) is not None:
        return True
    lent = await tx.rows(_SQL_LENT, actor_id, tx.clock.now())
    if not lent:
        return False
    above = {str(row[0]) for row in await tx.rows(f"{_ABOVE} SELECT id FROM above")}
    return any(above.intersection(msgspec.json.decode(row[0])) for row in lent)


async def work_in(tx: Tx, project_id: str) -> bool:
    """Whether it is a project of theirs: who removes or takes over it has them, too."""
    return await tx.row(_SQL_WORK_IN, project_id) is not None


async def refuse_acting_on(tx: Tx, caller: Caller, action: str, *, actor_id: str = "", project_id: str = "") -> None:
    """For whatever a manager of a domain may do: not to one of them, and not to a project of theirs."""
    if caller.is_operator:
        return
    if (actor_id and await are(tx, actor_id)) or (project_id and await work_in(tx, project_id)):
        raise personas.refusal(action)
