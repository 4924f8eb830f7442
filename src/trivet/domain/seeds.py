"""First start: the rows without which nobody could log in. Made once, whole, in one transaction."""

from trivet.domain.identity import assignments
from trivet.domain.identity.assignments import SYSTEM, Assignment
from trivet.domain.identity.catalog.endpoints import ENDPOINTS, Endpoint, Interface
from trivet.domain.identity.catalog.regions import REGIONS, Region
from trivet.domain.identity.catalog.services import SERVICES, Service
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS, Project
from trivet.domain.identity.people.roles import LADDER, ROLES, Role
from trivet.domain.identity.people.users import USERS, PasswordOf, User
from trivet.domain.limits.limits import DEFAULTS, REGISTERED_LIMITS, RegisteredLimit, set_limit
from trivet.parts import Parts
from trivet.store.tx import Tx

_SERVICES = (
    ("identity", "keystone", "/identity/v3"),
    ("compute", "nova", "/compute/v2.1"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
    ("placement", "placement", "/placement"),
)
_INTERFACES: tuple[Interface, ...] = ("public", "internal", "admin")
_IMMUTABLE = {"immutable": True}


async def first_start(tx: Tx, parts: Parts, password_hash: str) -> bool:
    """Says whether it was the first. `password_hash` becomes that of the user admin."""
    domain = Project(id=DEFAULT_DOMAIN, name="Default", domain_id=None, parent_id=None, is_domain=True)
    if not await tx.insert_new(PROJECTS, domain):
        return False
    project = Project(
        id=tx.ids.hex(),
        name="admin",
        domain_id=DEFAULT_DOMAIN,
        parent_id=DEFAULT_DOMAIN,
        description="The operator's own project.",
    )
    await tx.insert(PROJECTS, project)
    user = User(
        id=tx.ids.hex(),
        name="admin",
        domain_id=DEFAULT_DOMAIN,
        passwords=(PasswordOf(hash=password_hash, at=tx.clock.now()),),
        options={"ignore_lockout_failure_attempts": True, "ignore_password_expiry": True},
    )
    await tx.insert(USERS, user)
    admin_id = await _roles(tx)
    await assignments.add(tx, Assignment("user", user.id, "project", project.id, admin_id))
    await assignments.add(tx, Assignment("user", user.id, "system", SYSTEM, admin_id))
    service_ids = await _catalog(tx, parts.settings.region)
    for resource, (service_type, default) in DEFAULTS.items():
        limit = RegisteredLimit(
            id=tx.ids.hex(), service_id=service_ids[service_type], resource_name=resource, default_limit=default
        )
        await tx.insert(REGISTERED_LIMITS, limit)
        await set_limit(tx, project.id, resource, -1)
    return True


async def _roles(tx: Tx) -> str:
    """The id of the role admin."""
    below: str | None = None
    for name in LADDER:
        role = await tx.insert(ROLES, Role(id=tx.ids.hex(), name=name, options=_IMMUTABLE))
        if below is not None:
            await tx.run("INSERT INTO implied_roles (prior_id, implied_id) VALUES (?, ?)", role.id, below)
        below = role.id
    assert below is not None
    await tx.insert(ROLES, Role(id=tx.ids.hex(), name="service", options=_IMMUTABLE))
    return below


async def _catalog(tx: Tx, region: str) -> dict[str, str]:
    """Service ids by type."""
    await tx.insert(REGIONS, Region(id=region))
    found = {}
    for service_type, name, url in _SERVICES:
        service = await tx.insert(SERVICES, Service(id=tx.ids.hex(), type=service_type, name=name))
        found[service_type] = service.id
        for interface in _INTERFACES:
            await tx.insert(
                ENDPOINTS,
                Endpoint(id=tx.ids.hex(), service_id=service.id, region_id=region, interface=interface, url=url),
            )
    return found
