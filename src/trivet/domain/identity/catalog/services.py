"""Services: what the catalog offers, by type. (What runs on hosts is no service: see hosts.py.)"""

from typing import Any

from trivet.domain.identity import extras
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class Service(Record, frozen=True, kw_only=True):
    type: str
    name: str | None = None
    description: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


SERVICES = Table("services", Service)


async def need(tx: Tx, id: str) -> Service:
    found = await tx.get(SERVICES, id)
    if found is None:
        raise NotFound("service.absent", f"Could not find service: {id[:64]}.")
    return found


async def update(tx: Tx, id: str, changes: dict[str, Any]) -> Service:
    found = await need(tx, id)
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    return await tx.update(SERVICES, found, **changes)


async def delete(tx: Tx, id: str) -> None:
    """Deletes a service with its endpoints."""
    found = await need(tx, id)
    await hold(tx, SERVICES, id)
    if await tx.row("SELECT 1 FROM registered_limits WHERE service_id = ?", id) is not None:
        raise Conflict("service.limits", "Delete the registered limits of the service first.")
    await tx.run("DELETE FROM policy_associations WHERE service_id = ?", id)
    await tx.run(
        "DELETE FROM policy_associations WHERE endpoint_id IN (SELECT id FROM endpoints WHERE service_id = ?)", id
    )
    await tx.delete(SERVICES, found)


async def create(tx: Tx, service: Service) -> Service:
    return await tx.insert(SERVICES, service)
