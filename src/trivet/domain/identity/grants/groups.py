"""Groups: users that get roles together."""

from typing import Any

from trivet.domain.callers import Caller
from trivet.domain.identity import extras, memory, operators, personas
from trivet.domain.identity.grants import losses
from trivet.domain.identity.people import users
from trivet.domain.identity.people.projects import need as need_project
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Group(Record, frozen=True, kw_only=True):
    name: str
    domain_id: str
    description: str = ""
    extra: dict[str, Any] = {}


GROUPS = Table("user_groups", Group)


async def need(tx: Tx, id: str) -> Group:
    found = await tx.get(GROUPS, id)
    if found is None:
        raise NotFound("group.absent", f"Could not find group: {id[:64]}.")
    return found


async def visible(tx: Tx, caller: Caller, id: str, action: str = "identity:get_group") -> Group:
    found = await tx.get(GROUPS, id)
    personas.need_look(caller, found.domain_id if found else None, action)
    return found or await need(tx, id)


async def managed(tx: Tx, caller: Caller, id: str, action: str) -> Group:
    found = await tx.get(GROUPS, id)
    """Not one of operators, for who manages only the domain: whoever is put into it has what it has."""
    personas.need_manage(caller, found.domain_id if found else None, action)
    await operators.refuse_acting_on(tx, caller, action, actor_id=id)
    return found or await need(tx, id)


async def create(tx: Tx, new: Group) -> Group:
    await need_project(tx, new.domain_id, noun="domain")
    await _free_name(tx, new.name, new.domain_id)
    return await tx.insert(GROUPS, new)


async def _free_name(tx: Tx, name: str, domain_id: str) -> None:
    if await tx.find(GROUPS, "domain_id = ? AND name = ?", domain_id, name) is not None:
        raise Conflict("group.exists", f"Duplicate entry found with name {name[:64]} at domain ID {domain_id}.")


async def update(tx: Tx, caller: Caller, id: str, changes: dict[str, Any]) -> Group:
    found = await managed(tx, caller, id, "identity:update_group")
    if changes.get("domain_id", found.domain_id) != found.domain_id:
        raise Invalid("group.fixed", "The domain of a group cannot be changed.")
    if changes.get("name", found.name) != found.name:
        await _free_name(tx, changes["name"], found.domain_id)
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    return await tx.update(GROUPS, found, **changes)


async def delete(tx: Tx, caller: Caller, id: str) -> None:
    await need(tx, id)
    found = await managed(tx, caller, id, "identity:delete_group")
    await hold(tx, GROUPS, id)
    await losses.group(tx, id)
    await tx.delete(GROUPS, found)


# -- members


async def is_member(tx: Tx, group_id: str, user_id: str) -> bool:
    row = await tx.row("SELECT 1 FROM memberships WHERE user_id = ? AND group_id = ?", user_id, group_id)
    return row is not None


async def add_member(tx: Tx, caller: Caller, group_id: str, user_id: str) -> None:
    await _both(tx, caller, group_id, user_id, "identity:add_user_to_group")
    await tx.run("INSERT INTO memberships (user_id, group_id) VALUES (?, ?) ON CONFLICT DO NOTHING", user_id, group_id)
    memory.note(tx, "user_groups", group_id)


async def remove_member(tx: Tx, caller: Caller, group_id: str, user_id: str) -> None:
    await _both(tx, caller, group_id, user_id, "identity:remove_user_from_group")
    if not await tx.run("DELETE FROM memberships WHERE user_id = ? AND group_id = ?", user_id, group_id):
        raise NotFound("group.no_member", f"User {user_id} is not in group {group_id}.")
    rows = await tx.rows("SELECT DISTINCT target_id, inherited FROM assignments WHERE actor_id = ?", group_id)
    for target_id, inherited in rows:
        await losses.lost_role(tx, user_id, None if inherited else target_id)
    memory.note(tx, "user_groups", group_id)


async def _both(tx: Tx, caller: Caller, group_id: str, user_id: str, action: str) -> None:
    await managed(tx, caller, group_id, action)
    await users.managed(tx, caller, user_id, action)
    await hold(tx, GROUPS, group_id)


def of_user(user_id: str) -> Where:
    """Among groups."""
    return Where().add("id IN (SELECT group_id FROM memberships WHERE user_id = ?)", user_id)


def members(group_id: str) -> Where:
    """Among users."""
    return Where().add("id IN (SELECT user_id FROM memberships WHERE group_id = ?)", group_id)
