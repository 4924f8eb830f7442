"""Inventories: how much of a class a provider has, and how it may be handed out.

`used` is not written here: it belongs to the claims. A total may be lowered below what is used; then
nothing more is given until enough was given back.
"""

import math

import msgspec

from trivet.domain.placement import resource_classes
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx

MOST = 0x7FFF_FFFF
_COLUMNS = "class, total, reserved, min_unit, max_unit, step_size, allocation_ratio, capacity, used"


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = MOST
    step_size: int = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        return math.floor((self.total - self.reserved) * self.allocation_ratio)


async def of_provider(tx: Tx, provider_id: str) -> dict[str, Inventory]:
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM inventories WHERE provider_id = ? ORDER BY class", provider_id)
    return {
        str(row[0]): Inventory(
            total=row[1],
            reserved=row[2],
            min_unit=row[3],
            max_unit=row[4],
            step_size=row[5],
            allocation_ratio=row[6],
        )
        for row in rows
    }


async def usages_of(tx: Tx, provider_id: str) -> dict[str, int]:
    rows = await tx.rows("SELECT class, used FROM inventories WHERE provider_id = ? ORDER BY class", provider_id)
    return {str(row[0]): int(row[1]) for row in rows}


def check(inventories: dict[str, Inventory], provider_id: str, *, may_be_all_reserved: bool) -> None:
    for name, inventory in inventories.items():
        capacity = inventory.capacity
        if capacity < 0 or (capacity == 0 and not may_be_all_reserved):
            than = "greater than" if may_be_all_reserved else "greater than or equal to"
            raise Invalid(
                "inventory.capacity",
                f"Unable to update inventory for resource provider {provider_id}: Invalid inventory for '{name}' on"
                f" resource provider '{provider_id}'. The reserved value is {than} total.",
            )


async def check_classes(tx: Tx, names: set[str]) -> None:
    missing = await resource_classes.missing(tx, names)
    if missing:
        raise Invalid("resource_class.absent", f"Unknown resource class in inventory: {', '.join(sorted(missing))}.")


async def write(tx: Tx, provider_id: str, inventories: dict[str, Inventory]) -> None:
    """Make or change these; others stay. The provider's generation is the caller's to move on."""
    for name, inventory in sorted(inventories.items()):
        await tx.run(
            "INSERT INTO inventories (provider_id, class, total, reserved, min_unit, max_unit, step_size,"
            " allocation_ratio, capacity, used, free) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"
            " ON CONFLICT (provider_id, class) DO UPDATE SET total = excluded.total, reserved = excluded.reserved,"
            " min_unit = excluded.min_unit, max_unit = excluded.max_unit, step_size = excluded.step_size,"
            " allocation_ratio = excluded.allocation_ratio, capacity = excluded.capacity,"
            " free = excluded.capacity - inventories.used",
            provider_id,
            name,
            inventory.total,
            inventory.reserved,
            inventory.min_unit,
            inventory.max_unit,
            inventory.step_size,
            inventory.allocation_ratio,
            inventory.capacity,
            inventory.capacity,
        )


async def remove(tx: Tx, provider_id: str, names: set[str]) -> None:
    """Conflict if somebody holds some of one."""
    busy = [
        name
        for name in sorted(names)
        if not await tx.run(
            "DELETE FROM inventories WHERE provider_id = ? AND class = ? AND used = 0", provider_id, name
        )
    ]
    if busy:
        raise Conflict(
            "inventory.in_use", f"Inventory for '{', '.join(busy)}' on resource provider '{provider_id}' in use."
        )


async def replace(tx: Tx, provider_id: str, inventories: dict[str, Inventory]) -> None:
    """These and no others."""
    has = set(await of_provider(tx, provider_id))
    await remove(tx, provider_id, has - set(inventories))
    await write(tx, provider_id, inventories)
