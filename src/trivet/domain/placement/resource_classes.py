"""Resource classes: what capacity is counted in. Standard ones are known to all; others begin with CUSTOM_."""

import re
from collections.abc import Iterable

from trivet.domain.placement import claims
from trivet.errors import Conflict, Invalid, NotFound, Stale
from trivet.store.tx import Tx
from trivet.store.where import Where

_NAMES = (
    "VCPU MEMORY_MB DISK_GB PCI_DEVICE SRIOV_NET_VF NUMA_SOCKET NUMA_CORE NUMA_THREAD NUMA_MEMORY_MB IPV4_ADDRESS"
    " VGPU VGPU_DISPLAY_HEAD NET_BW_EGR_KILOBIT_PER_SEC NET_BW_IGR_KILOBIT_PER_SEC PCPU MEM_ENCRYPTION_CONTEXT FPGA"
    " PGPU NET_PACKET_RATE_KILOPACKET_PER_SEC NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC"
    " NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC"
)
STANDARD_CLASSES = tuple(_NAMES.split())
_STANDARD = frozenset(STANDARD_CLASSES)
_CUSTOM = re.compile(r"^CUSTOM_[A-Z0-9_]+\Z")
_LENGTH_MAX = 255


async def missing(tx: Tx, names: Iterable[str]) -> set[str]:
    """The names among `names` that are no resource classes."""
    custom = set(names) - _STANDARD
    if custom:
        where = Where().any_of("name", sorted(custom))
        custom -= {str(row[0]) for row in await tx.rows(f"SELECT name FROM custom_classes{where.sql}", *where.values)}
    return custom


async def need(tx: Tx, name: str) -> float | None:
    """When a class was made (None: it always was); NotFound if it is none."""
    if name in _STANDARD:
        return None
    row = await tx.row("SELECT created_at FROM custom_classes WHERE name = ?", name)
    if row is None:
        raise NotFound("resource_class.absent", f"No such resource class {name}.")
    return float(row[0])


async def find(tx: Tx) -> dict[str, float | None]:
    """All of them, with the time when a custom one was made."""
    rows = await tx.rows("SELECT name, created_at FROM custom_classes ORDER BY created_at, name")
    return dict.fromkeys(STANDARD_CLASSES) | {str(row[0]): float(row[1]) for row in rows}


async def create(tx: Tx, name: str) -> bool:
    """Whether it is new."""
    if not _CUSTOM.match(name) or len(name) > _LENGTH_MAX:
        raise Invalid(
            "resource_class.invalid",
            f"{name[:64]!r} does not match '^CUSTOM_[A-Z0-9_]+$', or is longer than {_LENGTH_MAX} characters.",
        )
    return bool(await tx.run("INSERT INTO custom_classes VALUES (?, ?) ON CONFLICT DO NOTHING", name, tx.clock.now()))


async def rename(tx: Tx, name: str, new_name: str) -> None:
    created_at = await need(tx, name)
    if created_at is None:
        raise Invalid("resource_class.standard", f"Cannot update standard resource class {name}")
    if new_name != name and not await create(tx, new_name):
        raise Conflict("resource_class.exists", f"Resource class already exists: {new_name}")
    if new_name != name:
        await _hold_all_of(tx, name)
        await tx.run("UPDATE inventories SET class = ? WHERE class = ?", new_name, name)
        await tx.run("UPDATE claims SET class = ? WHERE class = ?", new_name, name)
        await tx.run("DELETE FROM custom_classes WHERE name = ?", name)


async def _hold_all_of(tx: Tx, name: str) -> None:
    """Locks the consumers that hold some of a class, then the providers that have some, in the order of all claims."""
    holders, havers = await _holders(tx, name), await _havers(tx, name)
    for id in holders:
        await tx.run("UPDATE consumers SET generation = generation WHERE id = ?", id)
    for id in havers:
        await claims.hold(tx, id)
    if (holders, havers) != (await _holders(tx, name), await _havers(tx, name)):
        raise Stale("custom_classes", name)


async def _holders(tx: Tx, name: str) -> list[str]:
    return sorted(str(row[0]) for row in await tx.rows("SELECT DISTINCT consumer_id FROM claims WHERE class = ?", name))


async def _havers(tx: Tx, name: str) -> list[str]:
    return sorted(str(row[0]) for row in await tx.rows("SELECT provider_id FROM inventories WHERE class = ?", name))


async def delete(tx: Tx, name: str) -> None:
    await need(tx, name)
    if name in _STANDARD:
        raise Invalid(
            "resource_class.standard", f"Error in delete resource class: Cannot delete standard resource class {name}."
        )
    if await tx.row("SELECT 1 FROM inventories WHERE class = ? LIMIT 1", name) is not None:
        raise Conflict(
            "resource_class.in_use",
            f"Error in delete resource class: {name}: Class is in use in inventory.",
        )
    await tx.run("DELETE FROM custom_classes WHERE name = ?", name)
