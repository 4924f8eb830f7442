"""Granted: the filter `shared`, which asks whether something is shared with the caller's project."""

from trivet.api.kit.request import Request
from trivet.api.network.listing import Special, flag
from trivet.domain.rbac import ObjectType
from trivet.store.where import Where


def by_sharing(kind: ObjectType, column: str = "id") -> Special:
    def narrow(request: Request, where: Where, values: list[str]) -> None:
        for value in values:
            where.add(
                f"{column} {'IN' if flag(value) else 'NOT IN'} (SELECT object_id FROM rbac_policies"
                " WHERE object_type = ? AND action = 'access_as_shared' AND target_tenant IN ('*', ?))",
                kind,
                request.caller.project_id or "",
            )

    return narrow
