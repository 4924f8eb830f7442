"""Scoping: what a token is good for. A project, a domain, the system, or nothing yet.

A token carries all roles that its user has there, those that others imply included, so that whoever
verifies it needs no database.
"""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import assignments
from trivet.domain.identity.assignments import SYSTEM
from trivet.domain.identity.login.proven import Place, Proven
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people.naming import Condition, DomainRef, enabled_domain, unauthorized
from trivet.domain.identity.people.roles import VERSION, role_map
from trivet.domain.identity.people.users import User
from trivet.errors import Invalid
from trivet.ids import Ids
from trivet.store.tx import Tx


class ProjectRef(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class Scope(msgspec.Struct, frozen=True):
    """At most one of them; none is unscoped."""

    project: Place | None = None
    domain: Place | None = None
    system: bool = False

    @property
    def target(self) -> tuple[assignments.TargetKind, str] | None:
        if self.project is not None:
            return "project", self.project.id
        if self.domain is not None:
            return "domain", self.domain.id
        return ("system", SYSTEM) if self.system else None


UNSCOPED = Scope()


_OPEN = "enabled = 1 AND (domain_id IS NULL OR (SELECT d.enabled FROM projects d WHERE d.id = projects.domain_id) = 1)"
"""A project is as enabled as its domain."""


def project_condition(which: ProjectRef) -> Condition:
    if which.id is not None:
        return Condition(f"id = ? AND {_OPEN}", (which.id,))
    if which.name is None or which.domain is None:
        raise Invalid("auth.scope", "A project is named by its id, or by its name and its domain.")
    domain = enabled_domain(which.domain)
    return Condition(f"COALESCE(domain_id, '') = {domain.sql} AND name = ? AND enabled = 1", (domain.value, which.name))


async def _place(tx: Tx, condition: str, *values: str) -> Place | None:
    row = await tx.row(f"SELECT id, domain_id FROM projects WHERE {condition}", *values)
    return Place(row[0], row[1]) if row is not None else None


async def project(tx: Tx, which: ProjectRef) -> Scope:
    wanted = project_condition(which)
    found = await _place(tx, wanted.sql, *wanted.values)
    if found is None:
        raise unauthorized()
    return Scope(project=found)


async def domain(tx: Tx, which: DomainRef) -> Scope:
    wanted = enabled_domain(which)
    found = await _place(tx, f"id = {wanted.sql}", wanted.value)
    if found is None:
        raise unauthorized()
    return Scope(domain=found)


async def default(tx: Tx, memory: IdentityMemory, user: User) -> Scope:
    """The user's default project, if there is one on which it has a role."""
    if user.default_project_id is None:
        return UNSCOPED
    found = await _place(tx, f"id = ? AND is_domain = 0 AND {_OPEN}", user.default_project_id)
    if found is None:
        return UNSCOPED
    scope = Scope(project=found)
    return scope if await roles_in(tx, memory, user.id, scope) else UNSCOPED


async def roles_in(tx: Tx, memory: IdentityMemory, user_id: str, scope: Scope) -> frozenset[str]:
    """Names, with all that they imply."""
    if scope.target is None:
        return frozenset()
    direct = await assignments.roles_on(tx, user_id, *scope.target)
    row = await tx.row(f"SELECT {VERSION}")
    assert row is not None
    return (await role_map(tx, memory, row[0])).names(direct)


def caller_of(
    ids: Ids, proven: Proven, scope: Scope, roles: frozenset[str], token_s: int, *, strict_scope: bool
) -> Caller:
    """The caller that the new token will speak for. A token that is made from another ends when that one does."""
    parent = proven.parent
    return Caller(
        user_id=proven.user.id,
        roles=roles,
        project_id=scope.project.id if scope.project else None,
        domain_id=scope.domain.id if scope.domain else None,
        system=scope.system,
        user_domain_id=proven.user.domain_id,
        project_domain_id=(scope.project.domain_id or scope.project.id) if scope.project else None,
        methods=proven.methods,
        audit_id=ids.secret()[:22],
        parent_audit_id=(parent.parent_audit_id or parent.audit_id) if parent else None,
        issued_at=proven.began_at,
        ends_at=parent.ends_at if parent else proven.began_at + token_s,
        strict_scope=strict_scope,
    )
