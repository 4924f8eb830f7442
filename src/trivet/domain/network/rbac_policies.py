"""RBAC policies: who sees what of the network service: one's own, what is shared, and everything for the operator.

Sharing is always a row here, also when it was said by `shared` or `router:external` on the thing itself.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import UNSET, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

ObjectType = Literal["network", "subnetpool", "address_scope", "security_group", "address_group"]
Action = Literal["access_as_shared", "access_as_external"]

TABLE_OF: dict[str, str] = {
    "network": "networks",
    "subnetpool": "subnet_pools",
    "address_scope": "address_scopes",
    "security_group": "security_groups",
    "address_group": "address_groups",
}


class RbacPolicy(Record, frozen=True, kw_only=True):
    project_id: str
    object_type: ObjectType
    object_id: str
    action: Action
    target_tenant: str
    """A project, or '*' for all of them."""


RBAC_POLICIES = Table("rbac_policies", RbacPolicy)


# -- ownership


def owner(caller: Caller, *asked: str | UnsetType | None) -> str:
    """The project that something new will belong to."""
    for project_id in asked:
        if project_id:
            if project_id != caller.project_id and not caller.is_operator:
                raise Invalid(
                    "project.foreign",
                    "Specifying 'project_id' or 'tenant_id' other than the authenticated project"
                    " in request requires admin privileges",
                )
            return str(project_id)
    if caller.project_id is None:
        raise Invalid("project.missing", "The token has no project: say which one with project_id.")
    return caller.project_id


def operator_only(caller: Caller, attribute: str, *given: object) -> None:
    """An attribute that only the operator may set, if it was set at all."""
    if caller.is_operator or all(value is UNSET for value in given):
        return
    raise Forbidden("policy.forbidden", f"{attribute} is disallowed by policy: it needs the role admin.")


def must_own(caller: Caller, project_id: str, what: str) -> None:
    if not (caller.owns(project_id) or caller.is_operator):
        raise Forbidden("policy.forbidden", f"{what} is disallowed by policy: it belongs to another project.")


# -- sharing


async def shared_with(tx: Tx, caller: Caller, kind: ObjectType, id: str | None = None) -> set[str]:
    """Ids that the caller's project shares, of all or of one."""
    sql = (
        "SELECT object_id FROM rbac_policies WHERE object_type = ? AND action = 'access_as_shared'"
        " AND target_tenant IN ('*', ?)"
    )
    if id is not None:
        rows = await tx.rows(f"{sql} AND object_id = ?", kind, caller.project_id or "", id)
    else:
        rows = await tx.rows(sql, kind, caller.project_id or "")
    return {str(row[0]) for row in rows}


async def is_granted(tx: Tx, caller: Caller, kind: ObjectType, id: str) -> bool:
    """Whether any policy lets the caller see the object, as shared or as external."""
    row = await tx.row(
        "SELECT 1 FROM rbac_policies WHERE object_type = ? AND object_id = ? AND target_tenant IN ('*', ?) LIMIT 1",
        kind,
        id,
        caller.project_id or "",
    )
    return row is not None


async def sees(tx: Tx, caller: Caller, kind: ObjectType, project_id: str, id: str) -> bool:
    return caller.may_see(project_id) or await is_granted(tx, caller, kind, id)


def seen_by(caller: Caller, kind: ObjectType, column: str = "id") -> Where:
    """Rows of a list: one's own and what is granted; all of them for the operator."""
    if caller.may_see(None):
        return Where()
    return Where().add(
        f"(project_id = ? OR {column} IN (SELECT object_id FROM rbac_policies"
        " WHERE object_type = ? AND target_tenant IN ('*', ?)))",
        caller.project_id or "",
        kind,
        caller.project_id or "",
    )


def own_of(caller: Caller) -> Where:
    return Where() if caller.may_see(None) else Where().equal("project_id", caller.project_id or "")


async def grant(tx: Tx, project_id: str, kind: ObjectType, id: str, action: Action, *, target: str = "*") -> None:
    policy = RbacPolicy(
        id=tx.ids.uuid(), project_id=project_id, object_type=kind, object_id=id, action=action, target_tenant=target
    )
    if await tx.insert_new(RBAC_POLICIES, policy):
        quotas.at_end(tx, project_id, {"rbac_policy": 1})


async def withdraw(tx: Tx, kind: ObjectType, id: str, action: Action, target: str = "*") -> None:
    """Refused while somebody who has the thing only through this grant uses it."""
    policy = await tx.find(
        RBAC_POLICIES,
        "object_type = ? AND object_id = ? AND action = ? AND target_tenant = ?",
        kind,
        id,
        action,
        target,
    )
    if policy is not None:
        await _not_relied_on(tx, policy)
        await tx.delete(RBAC_POLICIES, policy)
        quotas.at_end(tx, policy.project_id, {"rbac_policy": -1})


async def withdraw_all(tx: Tx, kind: ObjectType, id: str, action: Action) -> None:
    """Removes all policies of an object that nobody uses any more."""
    sql = "DELETE FROM rbac_policies WHERE object_type = ? AND object_id = ? AND action = ? RETURNING project_id"
    for (project_id,) in await tx.rows(sql, kind, id, action):
        quotas.at_end(tx, str(project_id), {"rbac_policy": -1})


async def forget(tx: Tx, kind: ObjectType, id: str) -> None:
    sql = "DELETE FROM rbac_policies WHERE object_type = ? AND object_id = ? RETURNING project_id"
    for (project_id,) in await tx.rows(sql, kind, id):
        quotas.at_end(tx, str(project_id), {"rbac_policy": -1})


# -- the policies as things of their own


async def create(
    tx: Tx, caller: Caller, project_id: str, *, kind: ObjectType, object_id: str, action: Action, target: str
) -> RbacPolicy:
    row = await tx.row(f"SELECT project_id FROM {TABLE_OF[kind]} WHERE id = ?", object_id)
    if row is None or not await sees(tx, caller, kind, str(row[0]), object_id):
        raise NotFound(f"{kind}.absent", f"{kind.replace('_', ' ').capitalize()} {object_id} could not be found.")
    if not (caller.owns(str(row[0])) or caller.is_operator):
        raise Invalid("rbac_policy.foreign", f"RBAC policies of {object_id} are its owner's to make.")
    if action == "access_as_external" and kind != "network":
        raise Invalid("rbac.action", f"Invalid action '{action}' for object type '{kind}'.")
    if target == "*" and not caller.is_operator:
        operator_only(caller, "create_rbac_policy:target_tenant", target)
    await hold_there(tx, kind, object_id)
    await _can_use(tx, kind, object_id, target)
    quotas.at_end(tx, project_id, {"rbac_policy": 1})
    policy = RbacPolicy(
        id=tx.ids.uuid(),
        project_id=project_id,
        object_type=kind,
        object_id=object_id,
        action=action,
        target_tenant=target,
    )
    if not await tx.insert_new(RBAC_POLICIES, policy):
        raise Conflict("rbac_policy.exists", "An RBAC policy already exists with those values.")
    await _touch(tx, policy)
    return policy


async def visible(tx: Tx, caller: Caller, id: str) -> RbacPolicy:
    policy = await tx.get(RBAC_POLICIES, id)
    if policy is None or not caller.may_see(policy.project_id):
        raise NotFound("rbac_policy.absent", f"RBAC policy {id} could not be found.")
    return policy


async def own(tx: Tx, caller: Caller, id: str, what: str) -> RbacPolicy:
    policy = await visible(tx, caller, id)
    must_own(caller, policy.project_id, what)
    return policy


async def retarget(tx: Tx, caller: Caller, policy: RbacPolicy, target: str) -> RbacPolicy:
    if target == policy.target_tenant:
        return policy
    await hold(tx, [(policy.object_type, policy.object_id)])
    if target == "*":
        operator_only(caller, "update_rbac_policy:target_tenant", target)
    await _not_relied_on(tx, policy, but=target)
    await _can_use(tx, policy.object_type, policy.object_id, target)
    row = await tx.row(
        "SELECT 1 FROM rbac_policies WHERE object_type = ? AND object_id = ? AND action = ? AND target_tenant = ?",
        policy.object_type,
        policy.object_id,
        policy.action,
        target,
    )
    if row is not None:
        raise Conflict("rbac_policy.exists", "An RBAC policy already exists with those values.")
    written = await tx.update(RBAC_POLICIES, policy, target_tenant=target)
    await _touch(tx, written)
    return written


async def delete(tx: Tx, policy: RbacPolicy) -> None:
    await hold(tx, [(policy.object_type, policy.object_id)])
    await _not_relied_on(tx, policy)
    await tx.delete(RBAC_POLICIES, policy)
    await _touch(tx, policy)
    quotas.at_end(tx, policy.project_id, {"rbac_policy": -1})


async def hold(tx: Tx, things: Iterable[tuple[ObjectType, str]]) -> None:
    """A thing comes before its policies: whoever changes both, or several, waits for others in this order."""
    for kind, id in sorted(set(things)):
        await _held(tx, kind, id)


async def hold_there(tx: Tx, kind: ObjectType, id: str) -> None:
    """A thing that was there a moment ago: nothing is granted on what went meanwhile."""
    if not await _held(tx, kind, id):
        raise Stale(TABLE_OF[kind], id)


async def _held(tx: Tx, kind: ObjectType, id: str) -> int:
    return await tx.run(f"UPDATE {TABLE_OF[kind]} SET revision = revision WHERE id = ?", id)


async def _touch(tx: Tx, policy: RbacPolicy) -> None:
    """Counts a change of an object's policies as a change of the object, so its revision grows."""
    await tx.run(f"UPDATE {TABLE_OF[policy.object_type]} SET revision = revision + 1 WHERE id = ?", policy.object_id)


_RELYING: dict[str, str] = {
    "network": (
        "SELECT project_id FROM ports WHERE network_id = ? AND device_owner NOT IN"
        " ('network:router_gateway', 'network:floatingip') UNION SELECT project_id FROM subnets WHERE network_id = ?"
    ),
    "external": (
        "SELECT r.project_id FROM routers r WHERE r.gateway_network_id = ?"
        " UNION SELECT f.project_id FROM floating_ips f WHERE f.floating_network_id = ?"
    ),
    "subnetpool": "SELECT project_id FROM subnets WHERE subnetpool_id = ? AND subnetpool_id = ?",
    "address_scope": "SELECT project_id FROM subnet_pools WHERE address_scope_id = ? AND address_scope_id = ?",
    "security_group": (
        "SELECT p.project_id FROM port_security_groups g JOIN ports p ON p.id = g.port_id WHERE g.group_id = ?"
        " UNION SELECT project_id FROM security_group_rules WHERE remote_group_id = ?"
    ),
    "address_group": (
        "SELECT project_id FROM security_group_rules WHERE remote_address_group_id = ? AND remote_address_group_id = ?"
    ),
}


async def reaches(tx: Tx, kind: ObjectType, id: str, target: str) -> bool:
    """Whether a project has the thing or shares it; `*`: all do."""
    row = await tx.row(
        f"SELECT 1 FROM rbac_policies WHERE object_type = ? AND object_id = ? AND target_tenant IN ('*', ?)"
        f" UNION ALL SELECT 1 FROM {TABLE_OF[kind]} WHERE id = ? AND project_id = ? LIMIT 1",
        kind,
        id,
        target,
        id,
        target,
    )
    return row is not None


async def _can_use(tx: Tx, kind: ObjectType, id: str, target: str) -> None:
    """A pool is of no use to who does not reach the scope that its addresses are in."""
    row = await tx.row("SELECT address_scope_id FROM subnet_pools WHERE id = ?", id) if kind == "subnetpool" else None
    if row is not None and row[0] and not await reaches(tx, "address_scope", str(row[0]), target):
        raise Invalid(
            "rbac_policy.impossible",
            f"Failed to create RBAC policy on object {id}: the target {target[:64]} does not have access to address"
            f" scope {row[0]}.",
        )


async def _not_relied_on(tx: Tx, policy: RbacPolicy, but: str = "") -> None:
    """A grant stays while somebody who has the thing only through it uses it; `but` is who gets it instead."""
    kind = "external" if policy.action == "access_as_external" else policy.object_type
    rows = await tx.rows(_RELYING[kind], policy.object_id, policy.object_id)
    users = {str(row[0]) for row in rows} - {"", await _owner_of(tx, policy)}
    rest = await tx.rows(
        "SELECT target_tenant FROM rbac_policies WHERE object_type = ? AND object_id = ? AND action = ? AND id <> ?",
        policy.object_type,
        policy.object_id,
        policy.action,
        policy.id,
    )
    others = {str(row[0]) for row in rest} | {but}
    relying = set() if "*" in others else users - others
    if policy.target_tenant != "*":
        relying &= {policy.target_tenant}
    if relying:
        raise Conflict(
            "rbac_policy.in_use",
            f"RBAC policy on object {policy.object_id} cannot be removed because other objects depend on it."
            f" Details: it is used by project {min(relying)}.",
        )


async def _owner_of(tx: Tx, policy: RbacPolicy) -> str:
    row = await tx.row(f"SELECT project_id FROM {TABLE_OF[policy.object_type]} WHERE id = ?", policy.object_id)
    return str(row[0]) if row is not None else ""
