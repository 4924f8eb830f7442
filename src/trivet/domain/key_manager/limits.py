"""What of a project's quota secrets, orders, containers and consumers take; and those quotas themselves.

They are limits like all others, under names of their own. This API shows which were set for a project, apart from
what holds for it.
"""

import msgspec

from trivet.domain.key_manager.words import issue
from trivet.domain.limits import limits, quotas, registered_limits
from trivet.errors import NotFound, OverQuota
from trivet.store.tx import Tx

SERVICE_TYPE = "key-manager"
RESOURCES = {
    "secrets": "secrets",
    "orders": "secret_orders",
    "containers": "secret_containers",
    "consumers": "secret_consumers",
    "cas": "certificate_authorities",
}
"""As this API calls them -> the resource that is counted. There are no certificate authorities; their number may be
said all the same."""
LIMITS = {
    "secrets": 10_000,
    "secret_orders": 10_000,
    "secret_containers": 1_000,
    "secret_consumers": 10_000,
    "certificate_authorities": -1,
}
"""What a project may have unless somebody says otherwise."""

_NAMES = {resource: name for name, resource in RESOURCES.items()}


def take(tx: Tx, project_id: str, name: str, amount: int = 1) -> None:
    quotas.at_end(tx, project_id, {RESOURCES[name]: amount})


def give_back(tx: Tx, project_id: str, name: str, amount: int = 1) -> None:
    quotas.at_end(tx, project_id, {RESOURCES[name]: -amount})


async def settled(tx: Tx, doing: str) -> None:
    """For who is to be told now, in the words of this service; the last that a transaction does."""
    try:
        await tx.finish()
    except OverQuota as error:
        raise _reached(error, doing) from error


def _reached(error: OverQuota, doing: str) -> OverQuota:
    said = issue(doing, error.code, "Creation not allowed because a quota has been reached").message
    return OverQuota(error.code, said)


async def effective(tx: Tx, project_id: str) -> dict[str, int]:
    most = await limits.limits_of(tx, project_id)
    return {name: most.get(resource, -1) for name, resource in RESOURCES.items()}


class ProjectQuotas(msgspec.Struct, frozen=True):
    project_id: str
    set: dict[str, int | None]


async def listed(tx: Tx, limit: int, offset: int) -> tuple[list[ProjectQuotas], int]:
    """Projects for which somebody set one, and how many there are."""
    having = (
        " FROM projects p WHERE EXISTS"
        f" (SELECT 1 FROM limits l WHERE l.scope_id = p.id AND l.resource_name IN ({_MARKS}))"
    )
    row = await tx.row(f"SELECT COUNT(*){having}", *_NAMES)
    assert row is not None
    ids = await tx.rows(f"SELECT p.id{having} ORDER BY p.id LIMIT {int(limit)} OFFSET {int(offset)}", *_NAMES)
    return [ProjectQuotas(str(id), await _set(tx, str(id))) for (id,) in ids], int(row[0])


_MARKS = ", ".join("?" for _ in _NAMES)


async def of_project(tx: Tx, project_id: str) -> dict[str, int | None]:
    found = await _set(tx, project_id)
    if all(value is None for value in found.values()):
        raise NotFound("project_quotas.absent", "Project quotas not found.")
    return found


async def _set(tx: Tx, project_id: str) -> dict[str, int | None]:
    rows = await tx.rows(
        f"SELECT resource_name, resource_limit FROM limits WHERE scope_id = ? AND resource_name IN ({_MARKS})",
        project_id,
        *_NAMES,
    )
    found = {_NAMES[name]: int(limit) for name, limit in rows}
    return {name: found.get(name) for name in RESOURCES}


async def change(tx: Tx, project_id: str, said: dict[str, int]) -> None:
    """What is not said goes back to the default."""
    await limits.reset_limits(tx, project_id, [RESOURCES[name] for name in RESOURCES if name not in said])
    for name, limit in said.items():
        await registered_limits.of_service(tx, SERVICE_TYPE, RESOURCES[name])
        await limits.set_limit(tx, project_id, RESOURCES[name], max(limit, -1))


async def reset(tx: Tx, project_id: str) -> None:
    await of_project(tx, project_id)
    await limits.reset_limits(tx, project_id, list(RESOURCES.values()))


async def foresee(tx: Tx, project_id: str, name: str, doing: str) -> None:
    """Before work that takes long."""
    try:
        await quotas.foresee(tx, project_id, RESOURCES[name], 1)
    except OverQuota as error:
        raise _reached(error, doing) from error
