"""Role assignments, as a list: who has which role where, as given or as it takes effect.

Taking effect means: groups become their members, inherited ones become one for each project below, and
roles bring those that they imply. The database does all of it, and cuts: a cloud has as many as people times projects.
"""

from typing import Any

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import personas
from trivet.domain.identity.assignments import Assignment
from trivet.domain.identity.people import projects
from trivet.errors import Invalid
from trivet.store.tx import Tx
from trivet.store.where import Where


class Asked(msgspec.Struct, frozen=True):
    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool | None = None
    """Only those that are, or only those that are not."""
    effective: bool = False
    subtree: bool = False
    limit: int | None = None


class Found(msgspec.Struct, frozen=True):
    """An assignment, and what it comes from if it was not given as such."""

    assignment: Assignment
    source: Assignment
    membership: str | None = None
    """The group by which the user has it."""
    prior_role_id: str | None = None


_GIVEN = "a.actor_kind, a.actor_id, a.target_kind, a.target_id, a.role_id, a.inherited"
_SHOWN = ("actor_id", "target_kind", "target_id", "role_id", "inherited", "given_actor", "given_target", "given_role")
_ORDER = ", ".join(_SHOWN)

# Each role with itself and what it implies, however far.
_ROLES = """
    closed (prior_id, role_id) AS (
        SELECT id, id FROM roles
        UNION SELECT c.prior_id, i.implied_id FROM closed c JOIN implied_roles i ON i.prior_id = c.role_id
    )"""
# Each project that is asked about with all that is above it.
_ABOVE = """
    above (id, above_id) AS (
        SELECT id, parent_id FROM projects WHERE parent_id IS NOT NULL{only}
        UNION ALL SELECT o.id, p.parent_id FROM above o JOIN projects p ON p.id = o.above_id
            WHERE p.parent_id IS NOT NULL
    )"""
_DOWN = """
    wanted (id) AS (
        SELECT id FROM projects WHERE id = ?
        UNION ALL SELECT p.id FROM wanted w JOIN projects p ON p.parent_id = w.id
    )"""
# Once as it was given, and an inherited one once for each project below.
_REACHED = f"""
    SELECT {_GIVEN}, a.target_kind AS at_kind, a.target_id AS at_id FROM assignments a WHERE a.inherited = 0
    UNION ALL SELECT {_GIVEN}, 'project', o.id FROM assignments a JOIN above o ON o.above_id = a.target_id
        WHERE a.inherited = 1"""
_SQL_EFFECTIVE = f"""
    SELECT * FROM (
        SELECT a.actor_kind AS given_kind, COALESCE(m.user_id, a.actor_id) AS actor_id, a.at_kind AS target_kind,
            a.at_id AS target_id, c.role_id AS role_id, a.inherited AS inherited, a.actor_id AS given_actor,
            a.target_kind AS given_target_kind, a.target_id AS given_target, a.role_id AS given_role
        FROM ({_REACHED}) a
        JOIN closed c ON c.prior_id = a.role_id JOIN roles r ON r.id = c.role_id AND r.domain_id IS NULL
        LEFT JOIN memberships m ON a.actor_kind = 'group' AND m.group_id = a.actor_id
        WHERE a.actor_kind = 'user' OR m.user_id IS NOT NULL
    ) e"""
_SQL_GIVEN = """
    SELECT * FROM (
        SELECT a.actor_kind AS given_kind, a.actor_id AS actor_id, a.target_kind AS target_kind,
            a.target_id AS target_id, a.role_id AS role_id, a.inherited AS inherited, a.actor_id AS given_actor,
            a.target_kind AS given_target_kind, a.target_id AS given_target, a.role_id AS given_role
        FROM assignments a
    ) e"""
_COLUMNS = (
    "given_kind, actor_id, target_kind, target_id, role_id, inherited, given_actor, given_target_kind, given_target,"
    " given_role"
)


async def listed(tx: Tx, caller: Caller, asked: Asked) -> list[Found]:
    """At most one more than the limit, which tells that there are more."""
    _check(asked)
    where = _where(asked)
    if asked.subtree:
        target = await tx.get(projects.PROJECTS, asked.project_id or "")
        personas.need_look(caller, projects.domain_of(target), "identity:list_role_assignments_for_tree")
    else:
        only_domain = personas.list_domain(caller, "identity:list_role_assignments")
        if only_domain is not None:
            inside = "(target_id = ? OR target_id IN (SELECT id FROM projects WHERE domain_id = ?))"
            where.add(f"target_kind <> 'system' AND {inside}", only_domain, only_domain)
    tables, values = _tables(asked)
    select = (_SQL_EFFECTIVE if asked.effective else _SQL_GIVEN).replace("SELECT *", f"SELECT {_COLUMNS}", 1)
    cut = "" if asked.limit is None else " LIMIT ?"
    some = () if asked.limit is None else (asked.limit + 1,)
    sql = f"{tables} {select}{where.sql} ORDER BY {_ORDER}{cut}"
    return [_found(tuple(row), effective=asked.effective) for row in await tx.rows(sql, *values, *where.values, *some)]


def _check(asked: Asked) -> None:
    if asked.effective and asked.group_id:
        raise Invalid("query.contradiction", "Groups have no effective assignments; ask for their members'.")
    if asked.effective and asked.inherited is not None and asked.domain_id:
        raise Invalid("query.contradiction", "What projects inherit takes effect on them, and not on their domain.")
    if asked.user_id and asked.group_id:
        raise Invalid("query.contradiction", "Ask for a user or for a group, not for both.")
    if sum((bool(asked.project_id), bool(asked.domain_id), asked.system)) > 1:
        raise Invalid("query.contradiction", "Ask for one scope only.")
    if asked.subtree and not asked.project_id:
        raise Invalid("query.contradiction", "include_subtree needs scope.project.id.")


def _tables(asked: Asked) -> tuple[str, tuple[str, ...]]:
    """The recursive ones that are needed, as narrow as what is asked."""
    tables: list[str] = []
    if asked.subtree:
        tables.append(_DOWN)
    if asked.effective:
        only = "" if asked.project_id is None else f" AND {_targets(asked, 'id')}"
        tables += [_ROLES, _ABOVE.format(only=only)]
    values = [asked.project_id] if asked.subtree else []
    if asked.effective and not asked.subtree and asked.project_id is not None:
        values.append(asked.project_id)
    return (f"WITH RECURSIVE {', '.join(tables)}" if tables else ""), tuple(value or "" for value in values)


def _targets(asked: Asked, column: str) -> str:
    return f"{column} IN (SELECT id FROM wanted)" if asked.subtree else f"{column} = ?"


def _where(asked: Asked) -> Where:
    where = Where()
    if asked.user_id is not None:
        mine = "given_actor IN (SELECT group_id FROM memberships WHERE user_id = ? UNION ALL SELECT ?)"
        where.add(f"actor_id = ? AND {mine}", asked.user_id, asked.user_id, asked.user_id)
    if asked.group_id is not None:
        where.equal("actor_id", asked.group_id)
    if asked.role_id is not None:
        where.equal("role_id", asked.role_id)
    if asked.inherited is not None:
        where.equal("inherited", int(asked.inherited))
    if asked.project_id is not None:
        values = () if asked.subtree else (asked.project_id,)
        where.equal("target_kind", "project").add(_targets(asked, "target_id"), *values)
    if asked.domain_id is not None:
        where.equal("target_kind", "domain").equal("target_id", asked.domain_id)
    if asked.system:
        where.equal("target_kind", "system")
    return where


def _found(row: tuple[Any, ...], *, effective: bool) -> Found:
    kind, actor_id, target_kind, target_id, role_id, inherited, *given = row
    source = Assignment(kind, given[0], given[1], given[2], given[3], bool(inherited))
    if not effective:
        return Found(assignment=source, source=source)
    return Found(
        assignment=Assignment("user", actor_id, target_kind, target_id, role_id, bool(inherited)),
        source=source,
        membership=given[0] if kind == "group" else None,
        prior_role_id=None if role_id == given[3] else given[3],
    )
