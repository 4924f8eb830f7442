"""Security groups: named sets of rules that ports obey. Rules only allow.

Every project has one called `default`, made when it is first needed. A change of a rule writes its
group's row as well: who follows groups in the log hears of rules, and two changes cannot miss each other.
"""

from collections.abc import Iterable, Sequence

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies, tags
from trivet.domain.network.addresses import network_of
from trivet.domain.network.groups import default_security_group_rules
from trivet.domain.network.groups.default_security_group_rules import PARENT, Rule
from trivet.domain.network.words import Text
from trivet.domain.row_locks import hold_known
from trivet.errors import Conflict, NotFound, Stale
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

DEFAULT = "default"


class SecurityGroup(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    description: str = ""
    stateful: bool = True
    is_default: bool = False
    tags: tuple[str, ...] = ()
    created_at: float
    updated_at: float


class SecurityGroupRule(Rule, frozen=True, kw_only=True):
    project_id: str
    security_group_id: str
    normalized_cidr: str | None = None
    created_at: float
    updated_at: float


SECURITY_GROUPS = Table("security_groups", SecurityGroup)
SECURITY_GROUP_RULES = Table("security_group_rules", SecurityGroupRule, logged=False)


class SecurityGroupCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    name: Text = ""
    description: Text = ""
    stateful: bool = True


class SecurityGroupUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


async def visible(tx: Tx, caller: Caller, id: str) -> SecurityGroup:
    group = await tx.get(SECURITY_GROUPS, id)
    if group is None or not await rbac_policies.sees(tx, caller, "security_group", group.project_id, id):
        raise absent(id)
    return group


def absent(id: str) -> NotFound:
    return NotFound("security_group.absent", f"Security group {id} does not exist")


async def own(tx: Tx, caller: Caller, id: str, what: str) -> SecurityGroup:
    group = await visible(tx, caller, id)
    rbac_policies.must_own(caller, group.project_id, what)
    return group


async def default_of(tx: Tx, project_id: str) -> SecurityGroup:
    """The project's default group; made, with its rules, if this is the first time it is needed."""
    found = await tx.find(SECURITY_GROUPS, "project_id = ? AND is_default = 1", project_id)
    if found is not None:
        return found
    await hold_known(tx, PROJECTS, project_id, "project")
    now = tx.clock.now()
    group = SecurityGroup(
        id=tx.ids.uuid(),
        project_id=project_id,
        name=DEFAULT,
        description="Default security group",
        is_default=True,
        created_at=now,
        updated_at=now,
    )
    if not await tx.insert_new(SECURITY_GROUPS, group):
        raise Stale("security_groups", group.id)
    rules = await _insert_rules(tx, group)
    quotas.at_end(tx, project_id, {"security_group": 1, "security_group_rule": rules})
    return group


async def default_id(tx: Tx, project_id: str) -> str:
    """For who needs no more of it, which is nearly everybody."""
    row = await tx.row("SELECT id FROM security_groups WHERE project_id = ? AND is_default = 1", project_id)
    return str(row[0]) if row is not None else (await default_of(tx, project_id)).id


async def make_defaults(tx: Tx, caller: Caller, asked: Iterable[str | UnsetType]) -> None:
    """Before several things are made for these projects, for each of which its default group would be made."""
    for project_id in sorted({rbac_policies.owner(caller, project_id) for project_id in asked}):
        await default_id(tx, project_id)


async def create(tx: Tx, caller: Caller, wanted: SecurityGroupCreate) -> SecurityGroup:
    project_id = rbac_policies.owner(caller, wanted.project_id)
    await default_id(tx, project_id)
    if wanted.name == DEFAULT:
        raise Conflict("security_group.default_exists", "Default security group already exists.")
    now = tx.clock.now()
    group = SecurityGroup(
        id=tx.ids.uuid(),
        project_id=project_id,
        name=wanted.name,
        description=wanted.description,
        stateful=wanted.stateful,
        created_at=now,
        updated_at=now,
    )
    await tx.insert(SECURITY_GROUPS, group)
    rules = await _insert_rules(tx, group)
    quotas.at_end(tx, project_id, {"security_group": 1, "security_group_rule": rules})
    return group


async def before_several(tx: Tx, caller: Caller, wishes: Sequence[SecurityGroupCreate]) -> None:
    await make_defaults(tx, caller, (wish.project_id for wish in wishes))


async def update(tx: Tx, group: SecurityGroup, wanted: SecurityGroupUpdate) -> SecurityGroup:
    if group.is_default and wanted.name is not UNSET and wanted.name != group.name:
        raise Conflict("security_group.default_fixed", "Updating default security group not allowed.")
    if not group.is_default and wanted.name == DEFAULT:
        raise Conflict("security_group.default_exists", "Default security group already exists.")
    if wanted.stateful is not UNSET and wanted.stateful != group.stateful and await _in_use(tx, group.id):
        raise Conflict("security_group.in_use", f"Security Group {group.id} in use: its statefulness is fixed.")
    changes = {
        field: value for field in ("name", "description", "stateful") if (value := getattr(wanted, field)) is not UNSET
    }
    return await tx.update(SECURITY_GROUPS, group, updated_at=tx.clock.now(), **changes)


async def delete(tx: Tx, caller: Caller, group: SecurityGroup) -> None:
    if await _in_use(tx, group.id):
        raise Conflict("security_group.in_use", f"Security Group {group.id} in use.")
    if group.is_default and not caller.is_operator:
        raise Conflict("security_group.default_stays", "Insufficient rights for removing default security group.")
    await _remove(tx, group)


async def forget_default(tx: Tx, project_id: str) -> None:
    """Deletes the default group with its project; a port that is still in it delays that."""
    group = await tx.find(SECURITY_GROUPS, "project_id = ? AND is_default = 1", project_id)
    if group is None:
        return
    if await _in_use(tx, group.id):
        await _leave(tx, group)
    else:
        await _remove(tx, group)


async def _leave(tx: Tx, group: SecurityGroup) -> None:
    """Whoever it was for is gone: so is it, as soon as no port is in it any more."""
    await tx.run("INSERT INTO left_groups (group_id) VALUES (?) ON CONFLICT DO NOTHING", group.id)


async def take_away(tx: Tx, id: str, server_id: str) -> SecurityGroup | None:
    """A group that was made for a server which goes, before its own ports do: the group, which `taken_away` forgets
    when they are gone. None where others are in it, and it stays until they are not."""
    group = await tx.get(SECURITY_GROUPS, id)
    if group is None:
        return None
    others = await tx.row(
        "SELECT 1 FROM port_security_groups m JOIN ports p ON p.id = m.port_id"
        " WHERE m.group_id = ? AND NOT (p.device_id = ? AND p.created_for_server = 1) LIMIT 1",
        id,
        server_id,
    )
    if others is None:
        await _empty(tx, group)
        return group
    return None


async def taken_away(tx: Tx, id: str, group: SecurityGroup | None) -> None:
    if group is not None:
        await _drop(tx, group)
    elif (left := await tx.get(SECURITY_GROUPS, id)) is not None:
        await _leave(tx, left)


async def drop_left(tx: Tx) -> bool:
    """One that its project left behind and whose ports are gone by now; whether there was one. One at a time, since
    each takes hold of the groups that name it."""
    row = await tx.row(
        "SELECT group_id FROM left_groups WHERE NOT EXISTS"
        " (SELECT 1 FROM port_security_groups p WHERE p.group_id = left_groups.group_id) LIMIT 1"
    )
    if row is None:
        return False
    group = await tx.get(SECURITY_GROUPS, str(row[0]))
    if group is not None:
        await _remove(tx, group)
    await tx.run("DELETE FROM left_groups WHERE group_id = ?", str(row[0]))
    return True


async def _remove(tx: Tx, group: SecurityGroup) -> None:
    await _empty(tx, group)
    await _drop(tx, group)


async def _empty(tx: Tx, group: SecurityGroup) -> None:
    """Of its rules, and others of theirs that name it."""
    remote = await tx.rows(
        "SELECT DISTINCT security_group_id FROM security_group_rules WHERE remote_group_id = ?", group.id
    )
    others = {str(row[0]) for row in remote} - {group.id}
    await hold(tx, others | {group.id})
    gone = await tx.rows(
        "DELETE FROM security_group_rules WHERE security_group_id = ? OR remote_group_id = ? RETURNING project_id",
        group.id,
        group.id,
    )
    for other_id in sorted(others):
        await touch(tx, other_id)
    for (project_id,) in gone:
        quotas.at_end(tx, str(project_id), {"security_group_rule": -1})


async def _drop(tx: Tx, group: SecurityGroup) -> None:
    await tags.forget(tx, "security_groups", group)
    held = await tx.need(SECURITY_GROUPS, group.id, "security group")
    await tx.delete(SECURITY_GROUPS, held)
    await rbac_policies.forget(tx, "security_group", group.id)
    quotas.at_end(tx, group.project_id, {"security_group": -1})


async def _in_use(tx: Tx, id: str) -> bool:
    return await tx.row("SELECT 1 FROM port_security_groups WHERE group_id = ? LIMIT 1", id) is not None


async def hold(tx: Tx, ids: Iterable[str]) -> None:
    """Groups come before their rules: who holds a group finds them at rest."""
    for id in sorted(ids):
        await tx.run("UPDATE security_groups SET revision = revision WHERE id = ?", id)


async def touch(tx: Tx, id: str) -> None:
    """Something of the group changes that its row does not hold. To be said before it is done (see `hold`)."""
    now = tx.clock.now()
    row = await tx.row(
        "UPDATE security_groups SET revision = revision + 1,"
        " updated_at = CASE WHEN updated_at < ? THEN ? ELSE updated_at + 0.000001 END"
        " WHERE id = ? RETURNING revision, project_id",
        now,
        now,
        id,
    )
    if row is not None:
        tx.note(Change(SECURITY_GROUPS.name, id, "updated", int(row[0]), project_id=str(row[1])))


async def _insert_rules(tx: Tx, group: SecurityGroup) -> int:
    """What a new group begins with; how many."""
    now = tx.clock.now()
    found = await default_security_group_rules.templates(tx, default=group.is_default)
    for template in found:
        traffic = template.traffic()
        if template.remote_group_id == PARENT:
            traffic["remote_group_id"] = group.id
        rule = SecurityGroupRule(
            id=tx.ids.uuid(),
            project_id=group.project_id,
            security_group_id=group.id,
            created_at=now,
            updated_at=now,
            normalized_cidr=str(network_of(template.remote_ip_prefix)) if template.remote_ip_prefix else None,
            **traffic,
        )
        await tx.insert(SECURITY_GROUP_RULES, rule)
    return len(found)


async def rules_of(tx: Tx, group_ids: Sequence[str]) -> dict[str, list[SecurityGroupRule]]:
    found: dict[str, list[SecurityGroupRule]] = {id: [] for id in group_ids}
    where = Where().any_of("security_group_id", group_ids)
    for rule in await tx.select(SECURITY_GROUP_RULES, where, order="created_at, id"):
        found[rule.security_group_id].append(rule)
    return found


async def for_port(tx: Tx, caller: Caller, ids: Sequence[str]) -> None:
    """All are visible to the caller and of one statefulness; else the port cannot have them."""
    if not ids:
        return
    found = {group.id: group for group in await tx.select(SECURITY_GROUPS, Where().any_of("id", ids))}
    for id in ids:
        group = found.get(id)
        if group is None or not await rbac_policies.sees(tx, caller, "security_group", group.project_id, id):
            raise absent(id)
    if len({group.stateful for group in found.values()}) > 1:
        raise Conflict(
            "security_group.conflict", "Error: Cannot mix stateful and stateless security groups on one port."
        )


async def named(tx: Tx, caller: Caller, name: str) -> SecurityGroup:
    """Groups by id, or by name among the caller's own. A name that two groups have is refused."""
    by_id = await tx.get(SECURITY_GROUPS, name)
    if by_id is not None and await rbac_policies.sees(tx, caller, "security_group", by_id.project_id, by_id.id):
        return by_id
    if name == DEFAULT and caller.project_id is not None:
        return await default_of(tx, caller.project_id)
    where = Where().equal("project_id", caller.project_id or "").equal("name", name)
    found = await tx.select(SECURITY_GROUPS, where, limit=2)
    if not found:
        raise absent(name)
    if len(found) > 1:
        raise Conflict(
            "security_group.ambiguous",
            f"Multiple security groups found matching '{name}'. Use an ID to be more specific.",
        )
    return found[0]
