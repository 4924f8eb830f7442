"""Regions: where endpoints are. They form a tree."""

from typing import Any

from trivet.domain.identity import extras
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store import leases
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class Region(Record, frozen=True, kw_only=True):
    parent_id: str | None = None
    description: str = ""
    extra: dict[str, Any] = {}


REGIONS = Table("regions", Region)


async def need(tx: Tx, id: str) -> Region:
    found = await tx.get(REGIONS, id)
    if found is None:
        raise NotFound("region.absent", f"Could not find region: {id[:64]}.")
    return found


async def create(tx: Tx, new: Region) -> Region:
    if new.parent_id is not None:
        await need(tx, new.parent_id)
    if not await tx.insert_new(REGIONS, new):
        raise Conflict("region.exists", f"Duplicate ID, {new.id}.")
    return new


async def update(tx: Tx, id: str, changes: dict[str, Any]) -> Region:
    if changes.get("parent_id") is not None:
        # One at a time: two halves of a circle that come at once would miss each other.
        await leases.take_turn(tx, "regions")
    found = await need(tx, id)
    above = changes.get("parent_id")
    while above is not None:
        if above == id:
            raise Invalid("region.circle", f"The parent region {changes['parent_id']} would make a circle.")
        above = (await need(tx, above)).parent_id
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    return await tx.update(REGIONS, found, **changes)


async def delete(tx: Tx, id: str) -> None:
    """Deletes a region with all regions below it. None of them may have endpoints."""
    found = await need(tx, id)
    await hold(tx, REGIONS, id)
    used = await tx.row(
        "WITH RECURSIVE down (id) AS (SELECT id FROM regions WHERE id = ?"
        " UNION SELECT r.id FROM regions r JOIN down ON r.parent_id = down.id)"
        " SELECT 1 FROM endpoints WHERE region_id IN (SELECT id FROM down)"
        " UNION ALL SELECT 1 FROM registered_limits WHERE region_id IN (SELECT id FROM down) LIMIT 1",
        id,
    )
    if used is not None:
        raise Forbidden(
            "region.used", f"Unable to delete region {id} because it or its child regions have associated endpoints."
        )
    for (child_id,) in await tx.rows("SELECT id FROM regions WHERE parent_id = ?", id):
        await delete(tx, child_id)
    await tx.run("DELETE FROM policy_associations WHERE region_id = ?", id)
    await tx.delete(REGIONS, found)


async def ensure(tx: Tx, id: str) -> None:
    """Makes a region if it is not there: old clients make regions by naming them in an endpoint."""
    await tx.insert_new(REGIONS, Region(id=id))
