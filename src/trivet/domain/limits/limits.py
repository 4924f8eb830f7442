"""Limits: how much of a resource a project or a domain may use.

A registered limit is the default for everybody; a limit overrides it for one scope. -1 is no limit. Under
the flat model each scope stands alone; under strict_two_level what a project uses counts in its parent and in its
domain too.
What is used is kept in quotas.py and compared with these in the statement that takes.
"""

from collections.abc import Mapping, Sequence

import msgspec

from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class RegisteredLimit(Record, frozen=True, kw_only=True):
    service_id: str
    region_id: str | None = None
    resource_name: str
    default_limit: int
    description: str | None = None


class Limit(Record, frozen=True, kw_only=True):
    scope_id: str
    registered_limit_id: str
    service_id: str
    region_id: str | None = None
    resource_name: str
    resource_limit: int
    description: str | None = None


class Ceiling(msgspec.Struct, frozen=True):
    """A scope in which a project's use counts, and what it may not exceed."""

    scope_id: str
    limit: int
    together: bool = False
    """It binds all that is below the scope, too."""


REGISTERED_LIMITS = Table("registered_limits", RegisteredLimit)
LIMITS = Table("limits", Limit)

# A default for one region is another than the one for all: it counts in that region, before the other, and in no
# other region. Ours is that of the service's endpoints.
_HERE = (
    "(r.region_id IS NULL OR r.region_id IN (SELECT e.region_id FROM endpoints e WHERE e.service_id = r.service_id))"
)
# Several services may register one name; the service that we enforce it for is asked first.
_ENFORCED_FIRST = f"""
    AND {_HERE}
    ORDER BY CASE WHEN s.type = (SELECT c.service_type FROM counted_resources c WHERE c.name = r.resource_name)
        THEN 0 ELSE 1 END, CASE WHEN r.region_id IS NULL THEN 1 ELSE 0 END, r.id
    LIMIT 1
"""

_SQL_FIND = f"""
    SELECT r.id, r.default_limit, own.resource_limit, p.parent_id, above.resource_limit, p.domain_id,
        of_domain.resource_limit, m.model, (SELECT 1 FROM projects below WHERE below.parent_id = p.id LIMIT 1),
        of_user.resource_limit
    FROM registered_limits r
    JOIN services s ON s.id = r.service_id
    JOIN limit_model m ON 1 = 1
    LEFT JOIN projects p ON p.id = ?
    LEFT JOIN limits own ON own.registered_limit_id = r.id AND own.scope_id = p.id
    LEFT JOIN limits above ON above.registered_limit_id = r.id AND above.scope_id = p.parent_id
    LEFT JOIN limits of_domain ON of_domain.registered_limit_id = r.id AND of_domain.scope_id = p.domain_id
    LEFT JOIN user_limits of_user
        ON of_user.project_id = p.id AND of_user.user_id = ? AND of_user.resource_name = r.resource_name
    WHERE r.resource_name = ?
    {_ENFORCED_FIRST}
"""


# The project's own ceiling, where nothing else binds it: NULL if something does, no row if there is no such limit.
# To be bound to the project and the resource.
SQL_OWN = f"""
    SELECT CASE WHEN m.model <> 'flat' OR of_domain.id IS NOT NULL THEN NULL
            WHEN COALESCE(own.resource_limit, r.default_limit) < 0 THEN 9223372036854775807
            ELSE COALESCE(own.resource_limit, r.default_limit) END AS most
    FROM registered_limits r
    JOIN services s ON s.id = r.service_id
    JOIN limit_model m ON 1 = 1
    LEFT JOIN projects p ON p.id = ?
    LEFT JOIN limits own ON own.registered_limit_id = r.id AND own.scope_id = p.id
    LEFT JOIN limits of_domain ON of_domain.registered_limit_id = r.id AND of_domain.scope_id = p.domain_id
    WHERE r.resource_name = ?
    {_ENFORCED_FIRST}
"""


async def know(tx: Tx, service_type: str, defaults: Mapping[str, int]) -> None:
    """Remember what a service counts, and so for which service a name that several register is enforced.

    Every process says so when it starts; what is known already costs no write.
    """
    for name, default in sorted(defaults.items()):
        await tx.run(
            "INSERT INTO counted_resources (name, service_type, default_limit) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET service_type = excluded.service_type,"
            " default_limit = excluded.default_limit WHERE counted_resources.service_type <> excluded.service_type"
            " OR counted_resources.default_limit <> excluded.default_limit",
            name,
            service_type,
            default,
        )


async def default_of(tx: Tx, resource: str) -> int:
    """What holds where nobody has registered a limit."""
    row = await tx.row("SELECT default_limit FROM counted_resources WHERE name = ?", resource)
    return int(row[0]) if row is not None else -1


async def ceilings(tx: Tx, project_id: str, resource: str, user_id: str = "") -> list[Ceiling]:
    """The scopes in which the project's use counts, and the user's own limit in it; unlimited ones are left out."""
    row = await tx.row(_SQL_FIND, project_id, user_id, resource)
    if row is None:
        return []
    _, default, own, parent_id, parent_limit, domain_id, domain_limit, model, below, of_user = row
    strict = model == "strict_two_level"
    found = {project_id: Ceiling(project_id, default if own is None else own, together=strict and below is not None)}
    for scope_id, limit in ((parent_id, parent_limit), (domain_id, domain_limit)):
        if scope_id is not None and strict:
            found[scope_id] = Ceiling(scope_id, default if limit is None else limit, together=True)
    if domain_id is not None and domain_limit is not None:
        found[domain_id] = Ceiling(domain_id, domain_limit, together=True)
    if of_user is not None:
        found[user_id] = Ceiling(user_id, of_user)
    return [ceiling for ceiling in found.values() if ceiling.limit >= 0]


async def limit_of(tx: Tx, project_id: str, resource: str, user_id: str = "") -> int:
    """What quota APIs show; -1 is unlimited."""
    row = await tx.row(_SQL_FIND, project_id, user_id, resource)
    if row is None:
        return await default_of(tx, resource)
    default, of_project, of_user = row[1], row[2], row[9]
    return int(next(limit for limit in (of_user, of_project, default) if limit is not None))


async def limits_of(tx: Tx, project_id: str) -> dict[str, int]:
    """All of a project's limits by resource name, in two queries."""
    rows = await tx.rows(
        "SELECT r.resource_name, s.type, r.default_limit, l.resource_limit FROM registered_limits r"
        " JOIN services s ON s.id = r.service_id"
        f" LEFT JOIN limits l ON l.registered_limit_id = r.id AND l.scope_id = ? WHERE {_HERE}"
        " ORDER BY CASE WHEN r.region_id IS NULL THEN 0 ELSE 1 END, r.id",
        project_id,
    )
    counted = await tx.rows("SELECT name, service_type, default_limit FROM counted_resources")
    found = {str(name): int(default) for name, _, default in counted}
    enforced_for = {name: service_type for name, service_type, _ in counted}
    for name, service_type, default, own in rows:
        if enforced_for.get(name, service_type) == service_type:
            found[name] = int(default if own is None else own)
    return found


async def projects_with(tx: Tx, resources: Sequence[str]) -> list[str]:
    """Who has limits of their own for some of these."""
    where = Where().any_of("resource_name", resources)
    rows = await tx.rows(f"SELECT DISTINCT scope_id FROM limits{where.sql} ORDER BY scope_id", *where.values)
    return [str(row[0]) for row in rows]


async def set_limit(tx: Tx, project_id: str, resource: str, limit: int) -> RegisteredLimit:
    """Whatever those above and below say (limit_rules.py); what it overrides."""
    row = await tx.row(_SQL_FIND, project_id, "", resource)
    if row is None:
        raise NotFound("limit.unregistered", f"There is no registered limit for {resource}.")
    registered = await tx.need(REGISTERED_LIMITS, row[0], "registered limit")
    present = await tx.find(LIMITS, "scope_id = ? AND registered_limit_id = ?", project_id, registered.id)
    if present is not None:
        await tx.update(LIMITS, present, resource_limit=limit)
        return registered
    await tx.insert(
        LIMITS,
        Limit(
            id=tx.ids.hex(),
            scope_id=project_id,
            registered_limit_id=registered.id,
            service_id=registered.service_id,
            region_id=registered.region_id,
            resource_name=resource,
            resource_limit=limit,
        ),
    )
    return registered


async def reset_limits(tx: Tx, project_id: str, resources: list[str]) -> None:
    """Back to the defaults."""
    for resource in resources:
        for limit in await tx.select(LIMITS, Where().equal("scope_id", project_id).equal("resource_name", resource)):
            await tx.delete(LIMITS, limit)


async def model(tx: Tx) -> str:
    row = await tx.row("SELECT model FROM limit_model")
    assert row is not None
    return str(row[0])


async def set_model(tx: Tx, chosen: str) -> None:
    await tx.run("UPDATE limit_model SET model = ? WHERE model <> ?", chosen, chosen)
