"""Registered limits: what anybody may use of a resource unless a limit of his own says otherwise."""

from typing import Any

import msgspec

from trivet.domain.identity.catalog import regions
from trivet.domain.identity.catalog.services import SERVICES
from trivet.domain.limits.limits import REGISTERED_LIMITS, RegisteredLimit, default_of
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store.tx import Tx


async def need(tx: Tx, id: str) -> RegisteredLimit:
    found = await tx.get(REGISTERED_LIMITS, id)
    if found is None:
        raise NotFound("registered_limit.absent", f"Could not find registered limit for {id[:64]}.")
    return found


async def create(tx: Tx, new: RegisteredLimit) -> RegisteredLimit:
    await check_places(tx, new.service_id, new.region_id)
    await _refuse_another(tx, new)
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
    default = await default_of(tx, resource)
    limit = RegisteredLimit(id=tx.ids.hex(), service_id=service.id, resource_name=resource, default_limit=default)
    return await tx.insert(REGISTERED_LIMITS, limit)


async def set_default(tx: Tx, service_type: str, resource: str, limit: int) -> RegisteredLimit:
    found = await of_service(tx, service_type, resource)
    return await tx.update(REGISTERED_LIMITS, found, default_limit=limit)


async def check_places(tx: Tx, service_id: str | None, region_id: str | None) -> None:
    """What a limit, or a change of one, says of where it counts."""
    if service_id is not None and await tx.get(SERVICES, service_id) is None:
        raise Invalid("limit.service", f"Could not find service: {service_id[:64]}.")
    if region_id is not None and await tx.get(regions.REGIONS, region_id) is None:
        raise Invalid("limit.region", f"Could not find region: {region_id[:64]}.")


async def _refuse_another(tx: Tx, wanted: RegisteredLimit) -> None:
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
    """What it is for stays as long as projects or domains have limits of their own for it. Its number may change, which
    keystone refuses then: here the admin's project has such limits from the start, so no default could be changed."""
    found = await need(tx, id)
    await check_places(tx, changes.get("service_id"), changes.get("region_id"))
    if any(changes.get(name, getattr(found, name)) != getattr(found, name) for name in _KEY):
        await _refuse_used(tx, id)
    await _refuse_another(tx, msgspec.structs.replace(found, **changes))
    return await tx.update(REGISTERED_LIMITS, found, **changes)


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
