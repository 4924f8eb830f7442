"""Hardware: what hosts are made of inside, and how much of that may be sold.

A host says it; the operator's approval bounds it, as with its size: no more CPUs are sold, dedicated and shared ones
together, and no more memory, in huge pages and ordinary ones, than are approved.
"""

from collections.abc import Collection

import msgspec

from trivet.drivers.contracts.hardware import Hardware, flaws
from trivet.errors import Invalid
from trivet.store.tx import Tx
from trivet.store.where import Where

TELLS = "HW_NUMA_ROOT"
"""The trait of a host that says what it is made of."""
THREADS = "HW_CPU_HYPERTHREADING"
OWN_TRAITS = frozenset((TELLS, THREADS))
DEDICATED = "PCPU"


def pages_class(size_kib: int) -> str:
    """The class in which memory in huge pages is claimed, by the MiB: what nothing else can be put into."""
    return f"CUSTOM_MEMORY_MB_PAGES_{size_kib}KIB"


def function_class(alias: str) -> str:
    return "CUSTOM_PCI_" + alias.upper().replace("-", "_")


def check(hardware: Hardware) -> None:
    flaw = next(flaws(hardware), None)
    if flaw is not None:
        raise Invalid("host.hardware", f"What the host says of its hardware cannot be so: {flaw}.")


def sold(hardware: Hardware, *, vcpus: int, memory_mib: int) -> dict[str, int]:
    """Totals by class, of a host that may sell so much."""
    dedicated = min(len(hardware.dedicated), vcpus)
    totals = {DEDICATED: dedicated, "VCPU": min(len(hardware.shared), vcpus - dedicated)}
    left = memory_mib
    for size, mib in sorted(hardware.huge_mib.items()):
        totals[pages_class(size)] = min(mib, left)
        left -= totals[pages_class(size)]
    for function in hardware.functions:
        # Where nothing keeps it apart it could reach all memory of the host.
        name = function_class(function.alias)
        totals[name] = totals.get(name, 0) + function.isolated
    return totals | {"MEMORY_MB": left}


def traits(hardware: Hardware | None) -> frozenset[str]:
    if hardware is None:
        return frozenset()
    return frozenset((TELLS, THREADS)) if hardware.has_threads else frozenset((TELLS,))


async def keep(tx: Tx, host_id: str, hardware: Hardware | None) -> None:
    if hardware is None:
        await tx.run("DELETE FROM host_hardware WHERE host_id = ?", host_id)
        return
    text = msgspec.json.encode(hardware).decode()
    await tx.run(
        "INSERT INTO host_hardware (host_id, hardware) VALUES (?, ?) ON CONFLICT (host_id) DO UPDATE"
        " SET hardware = excluded.hardware",
        host_id,
        text,
    )


async def of(tx: Tx, host_id: str) -> Hardware | None:
    return (await of_hosts(tx, (host_id,))).get(host_id)


async def of_hosts(tx: Tx, host_ids: Collection[str]) -> dict[str, Hardware]:
    if not host_ids:
        return {}
    where = Where().any_of("host_id", sorted(host_ids))
    rows = await tx.rows(f"SELECT host_id, hardware FROM host_hardware{where.sql}", *where.values)
    return {str(id): msgspec.json.decode(str(text), type=Hardware) for id, text in rows}


async def forget(tx: Tx, host_id: str) -> None:
    await tx.run("DELETE FROM host_hardware WHERE host_id = ?", host_id)
