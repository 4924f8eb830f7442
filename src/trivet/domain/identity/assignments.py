"""Assignments: a user or a group has a role on a project, on a domain or on the system.

Inherited ones count on everything below their target, not on the target itself.
"""

from typing import Literal

import msgspec

from trivet.store.tx import Tx

ActorKind = Literal["user", "group"]
TargetKind = Literal["project", "domain", "system"]
SYSTEM = "all"


class Assignment(msgspec.Struct, frozen=True):
    actor_kind: ActorKind
    actor_id: str
    target_kind: TargetKind
    target_id: str
    role_id: str
    inherited: bool = False


_COLUMNS = "actor_kind, actor_id, target_kind, target_id, role_id, inherited"


async def add(tx: Tx, new: Assignment) -> bool:
    """Says whether it was new."""
    return bool(
        await tx.run(
            f"INSERT INTO assignments ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            new.actor_kind,
            new.actor_id,
            new.target_kind,
            new.target_id,
            new.role_id,
            int(new.inherited),
        )
    )


MINE = "actor_id IN (SELECT group_id FROM memberships WHERE user_id = ? UNION ALL SELECT ?)"
"""A condition: the assignment is one of a user or of its groups. It takes the user's id twice."""

_SQL_ON_PROJECT = f"""
    WITH RECURSIVE up (id, parent_id) AS (
        SELECT id, parent_id FROM projects WHERE id = ?
        UNION ALL SELECT p.id, p.parent_id FROM projects p JOIN up ON p.id = up.parent_id
    )
    SELECT DISTINCT role_id FROM assignments
    WHERE {MINE} AND ((target_id = ? AND inherited = 0 AND target_kind = 'project')
        OR (inherited = 1 AND target_id IN (SELECT id FROM up WHERE id <> ?)))
"""
_SQL_ON_OTHER = f"""
    SELECT DISTINCT role_id FROM assignments
    WHERE {MINE} AND target_id = ? AND target_kind = ? AND inherited = 0
"""


async def roles_on(tx: Tx, user_id: str, target_kind: TargetKind, target_id: str) -> set[str]:
    """The ids of the roles that a user has there, by groups and from above too; not what they imply."""
    if target_kind == "project":
        rows = await tx.rows(_SQL_ON_PROJECT, target_id, user_id, user_id, target_id, target_id)
    else:
        rows = await tx.rows(_SQL_ON_OTHER, user_id, user_id, target_id, target_kind)
    return {str(row[0]) for row in rows}


_SQL_SAME = "actor_kind = ? AND actor_id = ? AND target_kind = ? AND target_id = ? AND inherited = ?"  # and the role


def _same(asked: Assignment) -> tuple[str, str, str, str, int]:
    return asked.actor_kind, asked.actor_id, asked.target_kind, asked.target_id, int(asked.inherited)


async def holds(tx: Tx, asked: Assignment) -> bool:
    row = await tx.row(f"SELECT 1 FROM assignments WHERE {_SQL_SAME} AND role_id = ?", *_same(asked), asked.role_id)
    return row is not None


async def remove(tx: Tx, unwanted: Assignment) -> bool:
    sql = f"DELETE FROM assignments WHERE {_SQL_SAME} AND role_id = ?"
    return bool(await tx.run(sql, *_same(unwanted), unwanted.role_id))


async def role_ids(tx: Tx, asked: Assignment) -> list[str]:
    """Directly given, whatever the role of what is asked."""
    sql = f"SELECT role_id FROM assignments WHERE {_SQL_SAME} ORDER BY role_id"
    return [str(row[0]) for row in await tx.rows(sql, *_same(asked))]
