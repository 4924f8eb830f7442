"""What a cloud begins with, and what a service brings to clouds that exist.

The people without whom nobody could log in are made once, on an empty database. Roles, places in the catalog and
default limits are looked at in every start, so that a cloud that is upgraded gets what a new service brings. Each is
brought once: what an operator takes away stays away.
"""

from collections.abc import Mapping, Sequence

import msgspec

from trivet.domain.identity import assignments
from trivet.domain.identity.assignments import SYSTEM, Assignment
from trivet.domain.identity.catalog.endpoints import ENDPOINTS, Endpoint, Interface
from trivet.domain.identity.catalog.regions import REGIONS, Region
from trivet.domain.identity.catalog.services import SERVICES, Service
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS, Project
from trivet.domain.identity.people.roles import LADDER, ROLES, Role
from trivet.domain.identity.people.users import USERS, PasswordOf, User
from trivet.domain.images import standard_metadefs
from trivet.domain.limits import limits
from trivet.domain.limits.limits import REGISTERED_LIMITS, RegisteredLimit
from trivet.domain.volumes import types as volume_types
from trivet.parts import Parts
from trivet.store.tx import Tx

_INTERFACES: tuple[Interface, ...] = ("public", "internal", "admin")
_IMMUTABLE = {"immutable": True}


class Offer(msgspec.Struct, frozen=True):
    """A place in the catalog, as a service declares it."""

    type: str
    name: str
    url: str
    """A path: where this cloud answers is put before it when the catalog is shown."""
    limits: Mapping[str, int] = msgspec.field(default_factory=dict)
    """What the service counts, and how much of it a project may have unless somebody says otherwise."""


async def start(tx: Tx, parts: Parts, password_hash: str, offers: Sequence[Offer]) -> bool:
    """Says whether the cloud was empty. `password_hash` becomes that of the user admin, if so."""
    admin_role_id = await _roles(tx)
    domain = Project(id=DEFAULT_DOMAIN, name="Default", domain_id=None, parent_id=None, is_domain=True)
    fresh = await tx.insert_new(PROJECTS, domain)
    if fresh:
        await _people(tx, password_hash, admin_role_id)
    for offer in offers:
        await limits.know(tx, offer.type, offer.limits)
    for offer in offers:
        if await _is_new(tx, f"catalog:{offer.type}"):
            await _catalog(tx, offer, parts.settings.region)
        for resource, default in offer.limits.items():
            if await _is_new(tx, f"limit:{resource}"):
                await _limit(tx, resource, offer.type, default)
    if await _is_new(tx, "metadefs"):
        await standard_metadefs.load(tx)
    if await _is_new(tx, "volume type"):
        await volume_types.seed(tx)
    return fresh


async def _is_new(tx: Tx, name: str) -> bool:
    return bool(await tx.run("INSERT INTO seeds (name) VALUES (?) ON CONFLICT DO NOTHING", name))


async def _people(tx: Tx, password_hash: str, admin_role_id: str) -> None:
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
    await assignments.add(tx, Assignment("user", user.id, "project", project.id, admin_role_id))
    await assignments.add(tx, Assignment("user", user.id, "system", SYSTEM, admin_role_id))


async def _roles(tx: Tx) -> str:
    """The id of the role admin, or nothing if the operator has taken it away."""
    below: str | None = None
    for name in LADDER:
        role_id = await _role(tx, name)
        if role_id is not None and below is not None and await _is_new(tx, f"role:{name} implies"):
            await tx.run(
                "INSERT INTO implied_roles (prior_id, implied_id) VALUES (?, ?) ON CONFLICT DO NOTHING", role_id, below
            )
        below = role_id
    await _role(tx, "service")
    return below or ""


async def _role(tx: Tx, name: str) -> str | None:
    found = await tx.find(ROLES, "name = ? AND domain_id IS NULL", name)
    if found is None and await _is_new(tx, f"role:{name}"):
        found = await tx.insert(ROLES, Role(id=tx.ids.hex(), name=name, options=_IMMUTABLE))
    return found.id if found is not None else None


async def _catalog(tx: Tx, offer: Offer, region: str) -> None:
    """Unless somebody has put a service of that type there before us."""
    if await tx.find(SERVICES, "type = ?", offer.type) is not None:
        return
    await tx.insert_new(REGIONS, Region(id=region))
    service = await tx.insert(SERVICES, Service(id=tx.ids.hex(), type=offer.type, name=offer.name))
    for interface in _INTERFACES:
        await tx.insert(
            ENDPOINTS,
            Endpoint(id=tx.ids.hex(), service_id=service.id, region_id=region, interface=interface, url=offer.url),
        )


async def _limit(tx: Tx, resource: str, service_type: str, default: int) -> None:
    """The operator's own project has no limits, unless he sets some."""
    service = await tx.find(SERVICES, "type = ?", service_type)
    if service is None:
        return
    known = "service_id = ? AND resource_name = ? AND region_id IS NULL"
    if await tx.find(REGISTERED_LIMITS, known, service.id, resource) is not None:
        return
    limit = RegisteredLimit(id=tx.ids.hex(), service_id=service.id, resource_name=resource, default_limit=default)
    await tx.insert(REGISTERED_LIMITS, limit)
    project = await tx.find(PROJECTS, "name = 'admin' AND domain_id = ?", DEFAULT_DOMAIN)
    if project is not None:
        await limits.set_limit(tx, project.id, resource, -1)
