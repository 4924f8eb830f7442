"""Roles: names for what one may do. Some imply others: reader < member < manager < admin.

A role of a domain never stands in a token; only what it implies does.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from trivet.domain.memo import Memo
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class Role(Record, frozen=True, kw_only=True):
    name: str
    domain_id: str | None = None
    description: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


ROLES = Table("roles", Role)

LADDER = ("reader", "member", "manager", "admin")
"""Each implies the one before. These rules are the cloud's own and cannot be removed."""


class RoleMap(msgspec.Struct, frozen=True):
    """All roles and what they imply, as one look-up."""

    by_id: dict[str, Role]
    ids: dict[str, str]
    """Of roles that belong to no domain, by name."""
    implied: dict[str, tuple[str, ...]]
    """Directly, by the id of the prior role."""

    def closed(self, role_ids: Iterable[str]) -> set[str]:
        """The roles and all that they imply, however far."""
        found: set[str] = set()
        left = [id for id in role_ids if id in self.by_id]
        while left:
            id = left.pop()
            if id not in found:
                found.add(id)
                left.extend(self.implied.get(id, ()))
        return found

    def names(self, role_ids: Iterable[str]) -> frozenset[str]:
        """What a token says of them."""
        by_id = self.by_id
        return frozenset(by_id[id].name for id in self.closed(role_ids) if by_id[id].domain_id is None)


async def role_map(tx: Tx, memo: Memo) -> RoleMap:
    known: RoleMap | None = memo.get("roles")
    if known is not None:
        return known
    generation = memo.generation
    by_id = {role.id: role for role in await tx.select(ROLES)}
    implied: dict[str, list[str]] = {}
    for prior_id, implied_id in await tx.rows("SELECT prior_id, implied_id FROM implied_roles"):
        implied.setdefault(prior_id, []).append(implied_id)
    known = RoleMap(
        by_id=by_id,
        ids={role.name: role.id for role in by_id.values() if role.domain_id is None},
        implied={prior: tuple(ids) for prior, ids in implied.items()},
    )
    memo.keep("roles", known, generation)
    return known
