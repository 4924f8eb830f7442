"""Registered limits: what anybody may use of a resource unless a limit of his own says otherwise."""

from typing import Any

from trivet.domain.identity.catalog import regions
from trivet.domain.identity.catalog.services import SERVICES
from trivet.domain.limits.limits import DEFAULTS, REGISTERED_LIMITS, RegisteredLimit
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store.tx import Tx


async def need(tx: Tx, id: str) -> RegisteredLimit:
    found = await tx.get(REGISTERED_LIMITS, id)
    if found is None:
        raise NotFound("registered_limit.absent", f"Could not find registered limit for {id[:64]}.")
    return found


async def create(tx: Tx, new: RegisteredLimit) -> RegisteredLimit:
    await _check(tx, new)
    return await tx.insert(REGISTERED_LIMITS, new)


async def of_service(tx: Tx, service_type: str, resource: str) -> RegisteredLimit:
    """One that nobody has registered yet is registered with the default that holds without."""
    found = await tx.find(REGISTERED_LIMITS, "resource_name = ?", resource)
    if found is not None:
        return found
    service = await tx.find(SERVICES, "type = ?", service_type)
    if service is None:
        raise Invalid(
            "quota.no_service", f"The catalog has no service {service_type} that limits could be registered for."
        )
    default = DEFAULTS.get(resource, ("", -1))[1]
    limit = RegisteredLimit(id=tx.ids.hex(), service_id=service.id, resource_name=resource, default_limit=default)
    return await tx.insert(REGISTERED_LIMITS, limit)


async def set_default(tx: Tx, service_type: str, resource: str, limit: int) -> RegisteredLimit:
    found = await of_service(tx, service_type, resource)
    return await tx.update(REGISTERED_LIMITS, found, default_limit=limit)


async def _check(tx: Tx, wanted: RegisteredLimit) -> None:
    if await tx.get(SERVICES, wanted.service_id) is None:
        raise Invalid("limit.service", f"Could not find service: {wanted.service_id[:64]}.")
    if wanted.region_id is not None and await tx.get(regions.REGIONS, wanted.region_id) is None:
        raise Invalid("limit.region", f"Could not find region: {wanted.region_id[:64]}.")
    same = await tx.find(
        REGISTERED_LIMITS,
        "resource_name = ? AND service_id = ? AND COALESCE(region_id, '') = ? AND id <> ?",
        wanted.resource_name,
        wanted.service_id,
        wanted.region_id or "",
        wanted.id,
    )
    if same is not None:
        raise Conflict("registered_limit.exists", f"There is a registered limit for {wanted.resource_name} already.")


async def update(tx: Tx, id: str, changes: dict[str, Any]) -> RegisteredLimit:
    found = await need(tx, id)
    moved = any(changes.get(name, getattr(found, name)) != getattr(found, name) for name in _KEY)
    if moved:
        await _refuse_used(tx, id)
    changed = await tx.update(REGISTERED_LIMITS, found, **changes)
    if moved:
        await _check(tx, changed)
    return changed


_KEY = ("service_id", "region_id", "resource_name")


async def delete(tx: Tx, id: str) -> None:
    found = await need(tx, id)
    await _refuse_used(tx, id)
    await tx.delete(REGISTERED_LIMITS, found)


async def _refuse_used(tx: Tx, id: str) -> None:
    if await tx.row("SELECT 1 FROM limits WHERE registered_limit_id = ?", id) is not None:
        raise Forbidden(
            "registered_limit.used",
            f"Unable to update or delete registered limit {id} because there are project limits associated with it.",
        )
