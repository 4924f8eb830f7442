"""Quota classes: sets of limits with a name, which only compute's API knows.

One of them, `default`, is what projects begin with: the registered limits. The others bind nobody (nor do nova's); an
operator may keep numbers there, and what he does not keep is shown as in `default`.
"""

from trivet.domain.limits import limits
from trivet.domain.limits.limits import REGISTERED_LIMITS
from trivet.errors import Invalid
from trivet.store.tx import Tx

DEFAULT = "default"
_NAME_MAX = 255


async def limits_of(tx: Tx, name: str) -> dict[str, int]:
    found = await limits.limits_of(tx, "")
    if name != DEFAULT:
        rows = await tx.rows("SELECT resource_name, resource_limit FROM quota_classes WHERE name = ?", name)
        found |= {str(resource): int(limit) for resource, limit in rows}
    return found


async def set_limit(tx: Tx, name: str, resource: str, limit: int) -> None:
    if len(name) > _NAME_MAX:
        raise Invalid("quota_class.name", f"The name of a quota class has {_NAME_MAX} characters at most.")
    if name != DEFAULT:
        await tx.run(
            "INSERT INTO quota_classes (name, resource_name, resource_limit) VALUES (?, ?, ?)"
            " ON CONFLICT (name, resource_name) DO UPDATE SET resource_limit = excluded.resource_limit",
            name,
            resource,
            limit,
        )
        return
    registered = await tx.find(REGISTERED_LIMITS, "resource_name = ?", resource)
    if registered is not None:
        await tx.update(REGISTERED_LIMITS, registered, default_limit=limit)
