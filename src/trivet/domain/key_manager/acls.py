"""Access lists: who reads a secret or a container, and whether its project does. Where there is none, the project."""

from collections.abc import Sequence

from trivet.domain.key_manager.access import Rules
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class Acl(Record, frozen=True, kw_only=True):
    """Its id is that of the secret or the container."""

    project_access: bool
    created_at: float
    updated_at: float


ACLS = Table("secret_acls", Acl)


async def users_of(tx: Tx, id: str) -> list[str]:
    rows = await tx.rows("SELECT user_id FROM secret_acl_users WHERE acl_id = ? ORDER BY user_id", id)
    return [str(row[0]) for row in rows]


async def rules_of(tx: Tx, id: str) -> Rules:
    found = await tx.get(ACLS, id)
    return Rules() if found is None else Rules(found.project_access, tuple(await users_of(tx, id)))


async def change(tx: Tx, id: str, *, project_access: bool | None, users: Sequence[str] | None) -> None:
    """What is None stays as it is."""
    now = tx.clock.now()
    found = await tx.get(ACLS, id)
    if found is None:
        access = project_access is not False
        await tx.insert(ACLS, Acl(id=id, project_access=access, created_at=now, updated_at=now))
    else:
        access = found.project_access if project_access is None else project_access
        await tx.update(ACLS, found, project_access=access, updated_at=now)
    if users is None:
        return
    await tx.run("DELETE FROM secret_acl_users WHERE acl_id = ?", id)
    for user_id in sorted(set(users)):
        await tx.run("INSERT INTO secret_acl_users (acl_id, user_id) VALUES (?, ?)", id, user_id)


async def drop(tx: Tx, id: str) -> None:
    found = await tx.get(ACLS, id)
    if found is not None:
        await tx.delete(ACLS, found)
