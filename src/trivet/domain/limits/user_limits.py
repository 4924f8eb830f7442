"""User limits: how much of its project's limits one user may take. They are nova's alone; identity knows none.

What a user has taken is counted from the rows when a limit of theirs binds, while the project's own row is held
(quotas.py): for the many who have no such limit nothing is kept in step.
"""

from trivet.store.tx import Tx
from trivet.store.where import Where

RESOURCES = frozenset(
    (
        "servers",
        "class:VCPU",
        "class:MEMORY_MB",
        "server_key_pairs",
        "server_groups",
        "server_group_members",
        "server_metadata_items",
        "server_injected_files",
        "server_injected_file_content_bytes",
        "server_injected_file_path_bytes",
    )
)
"""Whatever else there is belongs to the project, whoever made it."""


async def limits_of(tx: Tx, project_id: str, user_id: str) -> dict[str, int]:
    """Only those that were set."""
    rows = await tx.rows(
        "SELECT resource_name, resource_limit FROM user_limits WHERE project_id = ? AND user_id = ?",
        project_id,
        user_id,
    )
    return {str(name): int(limit) for name, limit in rows}


async def promised(tx: Tx, project_id: str, but_user_id: str = "") -> dict[str, int]:
    """What the project's users (but that one) may take, all together."""
    rows = await tx.rows(
        "SELECT resource_name, SUM(resource_limit) FROM user_limits"
        " WHERE project_id = ? AND user_id <> ? AND resource_limit > 0 GROUP BY resource_name",
        project_id,
        but_user_id,
    )
    return {str(name): int(limit) for name, limit in rows}


async def set_limit(tx: Tx, project_id: str, user_id: str, resource: str, limit: int) -> None:
    await tx.run(
        "INSERT INTO user_limits (project_id, user_id, resource_name, resource_limit) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (project_id, user_id, resource_name) DO UPDATE SET resource_limit = excluded.resource_limit",
        project_id,
        user_id,
        resource,
        limit,
    )


async def reset(tx: Tx, project_id: str, user_id: str | None = None) -> None:
    """Ends the limits of one user, or of all users in the project."""
    where = Where().equal("project_id", project_id)
    if user_id is not None:
        where.equal("user_id", user_id)
    await tx.run(f"DELETE FROM user_limits{where.sql}", *where.values)
