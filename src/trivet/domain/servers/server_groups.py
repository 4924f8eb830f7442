"""Server groups: rules about which servers share a host.

A rule is a claim: a member takes its place on a host in the transaction that places it. Members of one
group take turns on the group's own row of `spreads` (host `*`), so two of them can never both be the first.
"""

from typing import Literal

from trivet.domain.callers import Caller
from trivet.domain.limits import limits, quotas
from trivet.domain.servers import usage
from trivet.errors import NotFound, OverQuota
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

GroupPolicy = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]

_ALL_HOSTS = "*"
_SQL_JOIN = (
    "INSERT INTO spreads (rule_id, host_id, members) VALUES (?, ?, 1)"
    " ON CONFLICT (rule_id, host_id) DO UPDATE SET members = spreads.members + 1"
)


class ServerGroup(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    name: str
    policy: GroupPolicy
    created_at: float
    max_per_host: int | None = None
    """The most members on one host under anti-affinity; 1 if nothing is said."""


SERVER_GROUPS = Table("server_groups", ServerGroup)


async def visible(tx: Tx, caller: Caller, id: str) -> ServerGroup:
    group = await tx.get(SERVER_GROUPS, id)
    if group is None or not caller.may_see(group.project_id):
        raise NotFound("server_group.absent", f"Instance group {id} could not be found.")
    return group


async def create(tx: Tx, group: ServerGroup) -> ServerGroup:
    await tx.insert(SERVER_GROUPS, group)
    await quotas.take(
        tx, group.project_id, {"server_groups": 1}, user_id=group.user_id, count=usage.taken_by_user, there=True
    )
    return group


async def delete(tx: Tx, caller: Caller, id: str) -> None:
    """Its members stay where they are, without the rule."""
    group = await visible(tx, caller, id)
    await tx.delete(SERVER_GROUPS, group)
    await tx.run("DELETE FROM spreads WHERE rule_id = ?", id)
    await quotas.give_back(tx, group.project_id, {"server_groups": 1})


async def members(tx: Tx, group_ids: list[str]) -> dict[str, list[str]]:
    """Ids of the servers of each group."""
    found: dict[str, list[str]] = {id: [] for id in group_ids}
    if not group_ids:
        return found
    marks = ", ".join("?" for _ in group_ids)
    for group_id, server_id in await tx.rows(
        f"SELECT group_id, id FROM servers WHERE group_id IN ({marks}) AND deleted_at IS NULL ORDER BY created_at, id",
        *group_ids,
    ):
        found[str(group_id)].append(str(server_id))
    return found


async def hosts(tx: Tx, group: ServerGroup) -> tuple[frozenset[str] | None, frozenset[str]]:
    """(The only hosts that a new member may go to, or None for any; the hosts that are full for it)."""
    taken = await _taken(tx, group.id)
    if group.policy == "affinity":
        return (frozenset(taken) if taken else None), frozenset()
    if group.policy == "anti-affinity":
        most = group.max_per_host or 1
        return None, frozenset(host for host, count in taken.items() if count >= most)
    return None, frozenset()


async def leanings(tx: Tx, group: ServerGroup) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Like `hosts`, for the soft policies: the hosts where a new member should go if there is room."""
    taken = await _taken(tx, group.id)
    if group.policy == "soft-affinity":
        return (frozenset(taken) if taken else None), frozenset()
    if group.policy == "soft-anti-affinity":
        least = min(taken.values(), default=0)
        return None, frozenset(host for host, count in taken.items() if count >= max(least, 1))
    return None, frozenset()


async def join(tx: Tx, group_id: str, server_id: str, host_id: str) -> bool:
    """Take a member's place on a host; False if the rule does not allow it there (any more)."""
    group = await tx.need(SERVER_GROUPS, group_id, "server_group")
    await tx.savepoint()
    await tx.run(_SQL_JOIN, group_id, _ALL_HOSTS)
    allowed, full = await hosts(tx, group)
    if (allowed is not None and host_id not in allowed) or host_id in full:
        await tx.undo()
        return False
    await _check_size(tx, group)
    await tx.run(_SQL_JOIN, group_id, host_id)
    await tx.keep()
    return True


async def come_back(tx: Tx, group_id: str, host_id: str) -> None:
    """A member that was there before: where its disk is, it must go, whatever the rule says by now."""
    if await tx.get(SERVER_GROUPS, group_id) is None:
        return
    for host in (_ALL_HOSTS, host_id):
        await tx.run(_SQL_JOIN, group_id, host)


async def leave(tx: Tx, group_id: str, server_id: str, host_id: str) -> None:
    for host in (_ALL_HOSTS, host_id):
        await tx.run(
            "UPDATE spreads SET members = members - 1 WHERE rule_id = ? AND host_id = ? AND members > 0",
            group_id,
            host,
        )
    await tx.run("DELETE FROM spreads WHERE rule_id = ? AND host_id = ? AND members = 0", group_id, host_id)


async def _taken(tx: Tx, group_id: str) -> dict[str, int]:
    rows = await tx.rows(
        "SELECT host_id, members FROM spreads WHERE rule_id = ? AND host_id <> ? AND members > 0", group_id, _ALL_HOSTS
    )
    return {str(row[0]): int(row[1]) for row in rows}


async def _check_size(tx: Tx, group: ServerGroup) -> None:
    most = await limits.limit_of(tx, group.project_id, "server_group_members")
    row = await tx.row("SELECT members FROM spreads WHERE rule_id = ? AND host_id = ?", group.id, _ALL_HOSTS)
    assert row is not None
    if 0 <= most < int(row[0]):
        raise OverQuota("quota.exceeded", "Quota exceeded, too many servers in group")
