"""Quota sets: all limits about volumes at once, those of single types among them, by the types' names."""

from trivet.domain.callers import Caller
from trivet.domain.limits import limits, quotas, registered_limits
from trivet.domain.volumes.limits import BY_TYPE, NAMES, by_type
from trivet.domain.volumes.types import TYPES, visible_where
from trivet.errors import Invalid
from trivet.store.tx import Tx
from trivet.store.where import Where

_SERVICE = "block-storage"


async def _keys(tx: Tx, seen: Where | None = None) -> dict[str, str]:
    """The name that clients see -> the resource that is counted; of the types that are `seen`, or of all."""
    found = {name: name for name in NAMES}
    for type in await tx.select(TYPES, seen or Where(), order="name"):
        found |= {f"{name}_{type.name}": by_type(name, type.id) for name in BY_TYPE}
    return found


async def of_project(tx: Tx, caller: Caller, project_id: str) -> dict[str, tuple[int, int]]:
    """Limit and use by name. The name of a type that is not public is for whom it was given."""
    most = await limits.limits_of(tx, project_id)
    used = await quotas.used_all(tx, project_id)
    seen = visible_where(caller)
    return {name: (most.get(key, -1), used.get(key, 0)) for name, key in (await _keys(tx, seen)).items()}


async def defaults(tx: Tx, caller: Caller) -> dict[str, int]:
    most = await limits.limits_of(tx, "")
    return {name: most.get(key, -1) for name, key in (await _keys(tx, visible_where(caller))).items()}


async def change(tx: Tx, project_id: str, said: dict[str, int]) -> None:
    keys = await _known(tx, said)
    for name, limit in said.items():
        # A type's limits are known once somebody sets one.
        await registered_limits.of_service(tx, _SERVICE, keys[name])
        await limits.set_limit(tx, project_id, keys[name], limit)


async def reset(tx: Tx, project_id: str) -> None:
    await limits.reset_limits(tx, project_id, sorted((await _keys(tx)).values()))


async def change_defaults(tx: Tx, said: dict[str, int]) -> None:
    keys = await _known(tx, said)
    for name, limit in said.items():
        await registered_limits.set_default(tx, _SERVICE, keys[name], limit)


async def _known(tx: Tx, said: dict[str, int]) -> dict[str, str]:
    keys = await _keys(tx)
    for name in said:
        if name not in keys:
            raise Invalid("quota.unknown", f"Bad key(s) in quota set: {name[:64]}")
    return keys
