"""Roles: names for what one may do. Some imply others: reader < member < manager < admin.

A role of a domain never stands in a token; only what it implies does.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import extras, personas
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people.projects import need as need_project
from trivet.domain.identity.people.projects import refuse_immutable
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Role(Record, frozen=True, kw_only=True):
    name: str
    domain_id: str | None = None
    description: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


ROLES = Table("roles", Role)

MANAGED = frozenset(("reader", "member", "manager"))
"""What a manager of a domain may give inside it."""

LADDER = ("reader", "member", "manager", "admin")
"""Each implies the one before. These rules are the cloud's own and cannot be removed."""


class RoleMap(msgspec.Struct, frozen=True):
    """All roles and what they imply, as one look-up."""

    by_id: dict[str, Role]
    ids: dict[str, str]
    """The ids of the roles that belong to no domain, by name."""
    implied: dict[str, tuple[str, ...]]
    """Directly, by the id of the prior role."""
    version: int
    """The version of the role rules when they were read."""

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


VERSION = "(SELECT version FROM role_rules)"
"""To be read with what somebody has: the log may not have told yet what has become of the roles."""


async def role_map(tx: Tx, memory: IdentityMemory, version: int | None = None) -> RoleMap:
    """The role rules from memory, unless `version` says that they have changed."""
    known: RoleMap | None = memory.get("roles")
    if known is not None and version in (None, known.version):
        return known
    generation = memory.generation
    row = await tx.row(f"SELECT {VERSION}")
    assert row is not None
    by_id = {role.id: role for role in await tx.select(ROLES)}
    implied: dict[str, list[str]] = {}
    for prior_id, implied_id in await tx.rows("SELECT prior_id, implied_id FROM implied_roles"):
        implied.setdefault(prior_id, []).append(implied_id)
    known = RoleMap(
        by_id=by_id,
        ids={role.name: role.id for role in by_id.values() if role.domain_id is None},
        implied={prior: tuple(ids) for prior, ids in implied.items()},
        version=row[0],
    )
    memory.keep("roles", known, generation)
    return known


# -- acts


async def note_change(tx: Tx) -> None:
    """Before any row of roles or of what they imply is written: all take this one first, so none wait in a circle."""
    await tx.run("UPDATE role_rules SET version = version + 1")


def _manages_domain(caller: Caller) -> bool:
    return caller.domain_id is not None and caller.has("manager")


async def visible(tx: Tx, caller: Caller, id: str) -> Role:
    """A manager of a domain sees the roles that he may give."""
    found = await need(tx, id)
    if found.domain_id is not None:
        if caller.domain_id is not None or not personas.sees_all(caller):
            raise personas.refusal("identity:get_domain_role")
    elif not personas.sees_all(caller) and not (_manages_domain(caller) and found.name in MANAGED):
        raise personas.refusal("identity:get_role")
    return found


async def need(tx: Tx, id: str) -> Role:
    found = await tx.get(ROLES, id)
    if found is None:
        raise NotFound("role.absent", f"Could not find role: {id[:64]}.")
    return found


def listed(caller: Caller, domain_id: str | None) -> Where:
    """A condition: roles of this domain, or of none."""
    if domain_id is not None:
        if caller.domain_id is not None:
            raise personas.refusal("identity:list_domain_roles")
        personas.need_sees_all(caller, "identity:list_domain_roles")
    elif not personas.sees_all(caller) and not _manages_domain(caller):
        raise personas.refusal("identity:list_roles")
    return Where().equal("domain_id", domain_id)


async def create(tx: Tx, new: Role) -> Role:
    if new.domain_id is not None:
        await need_project(tx, new.domain_id, noun="domain")
    await note_change(tx)
    await _free_name(tx, new.name, new.domain_id)
    return await tx.insert(ROLES, new)


async def _free_name(tx: Tx, name: str, domain_id: str | None) -> None:
    if await tx.find(ROLES, "name = ? AND COALESCE(domain_id, '') = ?", name, domain_id or "") is not None:
        raise Conflict("role.exists", f"Duplicate entry found with name {name[:64]}.")


async def changeable(tx: Tx, caller: Caller, id: str, action: str) -> Role:
    found = await need(tx, id)
    if caller.domain_id is not None:
        raise personas.refusal(action)
    personas.need_operator(caller, action)
    return found


async def update(tx: Tx, caller: Caller, id: str, changes: dict[str, Any]) -> Role:
    found = await changeable(tx, caller, id, "identity:update_role")
    refuse_immutable(found.options, changes)
    await note_change(tx)
    if changes.get("domain_id", found.domain_id) != found.domain_id:
        raise Invalid("role.fixed", "The domain of a role cannot be changed.")
    if changes.get("name", found.name) != found.name:
        await _free_name(tx, changes["name"], found.domain_id)
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    if "options" in changes:
        changes["options"] = extras.options(found.options, changes["options"])
    return await tx.update(ROLES, found, **changes)
