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
