"""Auth lists: where a user could scope a token to."""

from trivet.domain.identity.assignments import MINE
from trivet.domain.identity.people.projects import PROJECTS, Project
from trivet.store.tx import Tx

_COLUMNS = ", ".join(f"p.{column}" for column in PROJECTS.columns)

_SQL_PROJECTS = f"""
    WITH RECURSIVE reach (id) AS (
        SELECT p.id FROM projects p JOIN assignments a ON p.parent_id = a.target_id
        WHERE a.inherited = 1 AND {MINE}
        UNION SELECT p.id FROM projects p JOIN reach ON p.parent_id = reach.id
    )
    SELECT {_COLUMNS} FROM projects p JOIN projects d ON d.id = p.domain_id
    WHERE p.is_domain = 0 AND p.enabled = 1 AND d.enabled = 1 AND (p.id IN (SELECT id FROM reach) OR p.id IN (
        SELECT target_id FROM assignments WHERE inherited = 0 AND target_kind = 'project' AND {MINE}))
    ORDER BY p.name, p.id
"""
_SQL_DOMAINS = f"""
    SELECT {_COLUMNS} FROM projects p WHERE p.is_domain = 1 AND p.enabled = 1 AND p.id IN (
        SELECT target_id FROM assignments WHERE inherited = 0 AND target_kind = 'domain' AND {MINE})
    ORDER BY p.name, p.id
"""
_SQL_SYSTEM = f"SELECT 1 FROM assignments WHERE inherited = 0 AND target_kind = 'system' AND {MINE} LIMIT 1"


async def projects_of(tx: Tx, user_id: str) -> list[Project]:
    return [PROJECTS.from_row(row) for row in await tx.rows(_SQL_PROJECTS, *[user_id] * 4)]


async def domains_of(tx: Tx, user_id: str) -> list[Project]:
    return [PROJECTS.from_row(row) for row in await tx.rows(_SQL_DOMAINS, user_id, user_id)]


async def may_have_system(tx: Tx, user_id: str) -> bool:
    return await tx.row(_SQL_SYSTEM, user_id, user_id) is not None
