"""Auth lists: where a user could scope a token to."""

from trivet.domain.identity.assignments import MINE
from trivet.store.tx import Tx
from trivet.store.where import Where

_PROJECTS = f"""
    is_domain = 0 AND enabled = 1 AND domain_id IN (SELECT d.id FROM projects d WHERE d.enabled = 1) AND (id IN (
        WITH RECURSIVE reach (id) AS (
            SELECT p.id FROM projects p JOIN assignments a ON p.parent_id = a.target_id
            WHERE a.inherited = 1 AND {MINE}
            UNION SELECT p.id FROM projects p JOIN reach ON p.parent_id = reach.id
        )
        SELECT reach.id FROM reach
    ) OR id IN (SELECT target_id FROM assignments WHERE inherited = 0 AND target_kind = 'project' AND {MINE}))
"""
_DOMAINS = f"""
    is_domain = 1 AND enabled = 1 AND id IN (
        SELECT target_id FROM assignments WHERE inherited = 0 AND target_kind = 'domain' AND {MINE})
"""
_SQL_SYSTEM = f"SELECT 1 FROM assignments WHERE inherited = 0 AND target_kind = 'system' AND {MINE} LIMIT 1"


def projects_of(user_id: str) -> Where:
    return Where().add(_PROJECTS, *[user_id] * 4)


def domains_of(user_id: str) -> Where:
    return Where().add(_DOMAINS, user_id, user_id)


async def may_have_system(tx: Tx, user_id: str) -> bool:
    return await tx.row(_SQL_SYSTEM, user_id, user_id) is not None
