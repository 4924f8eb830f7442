"""Granted: the field `shared`, which says whether something is shared with the caller's project, and the filter."""

from collections.abc import Sequence

from trivet.api.kit.lists import Narrow
from trivet.api.kit.request import Request
from trivet.api.network.collections import flag
from trivet.domain.network import rbac_policies
from trivet.domain.network.rbac_policies import ObjectType
from trivet.store.tables import Record
from trivet.store.tx import Tx
from trivet.store.where import Where

SHARED_FIRST = (
    "CASE WHEN EXISTS (SELECT 1 FROM rbac_policies s WHERE s.object_type = '{kind}' AND s.object_id = {id}"
    " AND s.action = 'access_as_shared' AND s.target_tenant = '*') THEN 1 ELSE 0 END"
)
"""An order by what is shared with all."""


async def shared_of(request: Request, kind: ObjectType, found: Sequence[Record]) -> set[str]:
    """The ids of what is shared; where one is shown, only that one is asked about."""
    if not found or _just_made(request.tx, found):
        return set()
    only = found[0].id if len(found) == 1 else None
    return await rbac_policies.shared_with(request.tx, request.caller, kind, only)


def _just_made(tx: Tx, found: Sequence[Record]) -> bool:
    """Whether this transaction made all of them and shared nothing: then nobody else can see them."""
    made = {change.id for change in tx.changes if change.verb == "created"}
    return all(one.id in made for one in found) and all(
        change.noun != rbac_policies.RBAC_POLICIES.name for change in tx.changes
    )


def by_sharing(kind: ObjectType, column: str = "id") -> Narrow:
    def narrow(request: Request, where: Where, values: list[str]) -> None:
        for value in values:
            where.add(
                f"{column} {'IN' if flag(value) else 'NOT IN'} (SELECT object_id FROM rbac_policies"
                " WHERE object_type = ? AND action = 'access_as_shared' AND target_tenant IN ('*', ?))",
                kind,
                request.caller.project_id or "",
            )

    return narrow
