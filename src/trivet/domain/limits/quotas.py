"""Quotas: what of its limits a project has taken. A limit belongs to identity (domain/limits/limits.py).

Taking is one conditional statement per limit, in the transaction that creates what is counted: there is no
reservation that could be left behind. Take quotas last, or let `at_end` do so: the row of a busy project is where its
requests meet. It should be held for as short a time as possible, and nothing be waited for with it in hand.
"""

from collections.abc import Awaitable, Callable

from trivet.domain.limits import limits
from trivet.domain.limits.limits import Ceiling
from trivet.errors import OverQuota
from trivet.store.tx import Tx

_SQL_TAKE = (
    "INSERT INTO quota_usages (scope_id, resource, used) VALUES (?, ?, ?) ON CONFLICT (scope_id, resource)"
    " DO UPDATE SET used = quota_usages.used + excluded.used"
)
_SQL_TAKE_BELOW = f"{_SQL_TAKE} WHERE quota_usages.used + excluded.used <= ?"
# All in one, where only the project's own limit binds it, as nearly always.
_SQL_TAKE_ALONE = (
    f"WITH bound AS ({limits.SQL_OWN}) INSERT INTO quota_usages (scope_id, resource, used)"
    " SELECT ?, ?, CAST(? AS BIGINT) FROM bound WHERE most >= ?"
    " ON CONFLICT (scope_id, resource) DO UPDATE SET used = quota_usages.used + excluded.used"
    " WHERE quota_usages.used + excluded.used <= (SELECT most FROM bound) RETURNING 1"
)
_SQL_GIVE_BACK = "UPDATE quota_usages SET used = used - ? WHERE scope_id = ? AND resource = ?"
# A domain's or parent's use is the sum of its projects': nothing to keep in step when a limit comes or goes.
_SQL_TOGETHER = (
    "SELECT COALESCE(SUM(u.used), 0) FROM quota_usages u JOIN projects p ON p.id = u.scope_id"
    " WHERE u.resource = ? AND (p.id = ? OR p.parent_id = ? OR p.domain_id = ?)"
)
_TURN = "turn"
_WORDS = {
    "servers": "instances",
    "class:VCPU": "cores",
    "class:MEMORY_MB": "ram",
    "class:DISK_GB": "disk",
    "server_key_pairs": "key_pairs",
}
"""What people call it who ask for their quota."""

CountByUser = Callable[[Tx, str, str], Awaitable[dict[str, int]]]
"""(transaction, project, user) -> what that user has taken there. Only the room of what is counted can tell."""


async def take(
    tx: Tx,
    project_id: str,
    amounts: dict[str, int],
    *,
    holder_id: str = "",
    user_id: str = "",
    count: CountByUser | None = None,
    there: bool = False,
) -> None:
    """Count `amounts` against every limit that binds the project; OverQuota if one says no.

    What is counted by user (key pairs) names a holder: his own limit, or else the project's, then binds that one's use.
    Where users share what is the project's, one may have a limit in it: `count` tells what they have, and
    `there` says that it counts what is taken now.
    """
    bound = {}
    for resource, amount in sorted(amounts.items()):
        found = await limits.ceilings(tx, project_id, resource, holder_id or user_id)
        ceilings = {ceiling.scope_id: ceiling for ceiling in found}
        own = ceilings.get(holder_id or project_id) or ceilings.get(project_id)
        await _take_own(tx, holder_id or project_id, resource, amount, own.limit if own is not None else None)
        for scope_id, ceiling in sorted(ceilings.items()):
            if ceiling.together:
                await _check_together(tx, scope_id, resource, amount, ceiling.limit)
        if user_id in ceilings:
            bound[resource] = ceilings[user_id].limit
    if bound:
        assert count is not None, "what may be limited by user is taken with a way to count it"
        # The lock on the project's row makes its users' requests take turns, so each counts what is committed.
        _check_user(await count(tx, project_id, user_id), amounts, bound, there=there)


def _check_user(taken: dict[str, int], amounts: dict[str, int], bound: dict[str, int], *, there: bool) -> None:
    for resource, limit in bound.items():
        before = taken[resource] - amounts[resource] * there
        if before + amounts[resource] > limit:
            raise _over(resource, amounts[resource], before, limit)


def at_end(tx: Tx, project_id: str, amounts: dict[str, int]) -> None:
    """Take these, or give back what is below zero, when all else of the transaction is done. What several things
    take is added up, and taken in one order."""
    owed = tx.last(_Owed).amounts
    for resource, amount in amounts.items():
        owed[resource, project_id] = owed.get((resource, project_id), 0) + amount


class _Owed:
    def __init__(self) -> None:
        self.amounts: dict[tuple[str, str], int] = {}
        self.gone: set[str] = set()

    async def finish(self, tx: Tx) -> None:
        owed = sorted(item for item in self.amounts.items() if item[0][1] not in self.gone)
        self.amounts = {}
        shared: dict[tuple[str, str], tuple[Ceiling, int]] = {}
        for (resource, project_id), amount in owed:
            if amount < 0:
                await give_back(tx, project_id, {resource: -amount})
            elif amount > 0 and not await _take_alone(tx, project_id, resource, amount):
                ceilings = {ceiling.scope_id: ceiling for ceiling in await limits.ceilings(tx, project_id, resource)}
                own = ceilings.get(project_id)
                await _take_own(tx, project_id, resource, amount, own.limit if own is not None else None)
                shared |= {(resource, id): (found, amount) for id, found in ceilings.items() if found.together}
        # Projects may lie below one scope: its turn comes after the last of their own rows.
        for (resource, scope_id), (ceiling, amount) in sorted(shared.items(), key=lambda item: item[0]):
            await _check_together(tx, scope_id, resource, amount, ceiling.limit)
        await _drop(tx, sorted(self.gone))


async def _drop(tx: Tx, scope_ids: list[str]) -> None:
    """Drops usage rows in the order in which everybody locks them: by resource, then by scope, and turns last."""
    found: list[tuple[bool, str, str]] = []
    for scope_id in scope_ids:
        rows = await tx.rows("SELECT resource FROM quota_usages WHERE scope_id = ?", scope_id)
        found.extend((str(row[0]).startswith(f"{_TURN}:"), str(row[0]), scope_id) for row in rows)
    for _, resource, scope_id in sorted(found):
        await tx.run("DELETE FROM quota_usages WHERE scope_id = ? AND resource = ?", scope_id, resource)


def forget(tx: Tx, scope_id: str) -> None:
    """Ends all counting for a scope that is being removed, after everything else was removed."""
    tx.last(_Owed).gone.add(scope_id)


async def give_back(tx: Tx, project_id: str, amounts: dict[str, int]) -> None:
    for resource, amount in sorted(amounts.items()):
        if amount:
            await tx.run(_SQL_GIVE_BACK, amount, project_id, resource)


async def foresee(tx: Tx, project_id: str, resource: str, amount: int) -> None:
    """Refuse now what would be refused at the end, before it is made a thousand times. Nothing is counted yet."""
    if amount <= 0:
        return
    limit = await limits.limit_of(tx, project_id, resource)
    before = await used(tx, project_id, resource)
    if 0 <= limit < before + amount:
        raise _over(resource, amount, before, limit)


async def used(tx: Tx, project_id: str, resource: str) -> int:
    row = await tx.row("SELECT used FROM quota_usages WHERE scope_id = ? AND resource = ?", project_id, resource)
    return int(row[0]) if row is not None else 0


async def used_all(tx: Tx, project_id: str) -> dict[str, int]:
    rows = await tx.rows("SELECT resource, used FROM quota_usages WHERE scope_id = ?", project_id)
    return {str(row[0]): int(row[1]) for row in rows}


async def _take_alone(tx: Tx, project_id: str, resource: str, amount: int) -> bool:
    """False if it is too much, or if more has to be looked at to know."""
    bound = (project_id, resource)
    return await tx.row(_SQL_TAKE_ALONE, *bound, *bound, amount, amount) is not None


async def _take_own(tx: Tx, project_id: str, resource: str, amount: int, limit: int | None) -> None:
    if limit is None:
        await tx.run(_SQL_TAKE, project_id, resource, amount)
        return
    taken = amount <= limit and await tx.run(_SQL_TAKE_BELOW, project_id, resource, amount, limit)
    if not taken:
        raise _over(resource, amount, await used(tx, project_id, resource), limit)


async def _check_together(tx: Tx, scope_id: str, resource: str, amount: int, limit: int) -> None:
    """`amount` is counted already. Claimants of one scope take turns on its row, so each sums what is committed."""
    await tx.run(_SQL_TAKE, scope_id, f"{_TURN}:{resource}", 0)
    row = await tx.row(_SQL_TOGETHER, resource, scope_id, scope_id, scope_id)
    assert row is not None
    if int(row[0]) > limit:
        raise _over(resource, amount, int(row[0]) - amount, limit)


def _over(resource: str, amount: int, taken: int, limit: int) -> OverQuota:
    name = _WORDS.get(resource, resource)
    return OverQuota(
        "quota.exceeded",
        f"Quota exceeded for {name}: Requested {amount}, but already used {taken} of {limit} {name}.",
        resource=resource,
        requested=amount,
        used=taken,
        limit=limit,
    )
