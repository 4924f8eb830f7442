"""What one claim costs when there are 10 hosts, and when there are 10,000: it must be the same.

In process and without HTTP: a transaction that chooses a host and claims there, as the creation of a server does.
"""

import time
from pathlib import Path

from tests.postgres import PostgresCluster

from bench import proc
from trivet.clock import SystemClock
from trivet.domain.hosts import hosts
from trivet.domain.placement import choosing, claims
from trivet.ids import SystemIds
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store

SIZES = (10, 100, 1_000, 10_000)
_CLAIMS = 400
_WANT = choosing.Want(
    resources={"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 10}, required=frozenset(("CUSTOM_KIND_VM",)), spread=True
)


async def measure(folder: Path, postgres: PostgresCluster | None) -> dict[str, float]:
    """CPU milliseconds of a claim by the number of hosts, the database's included."""
    store: Store
    if postgres is None:
        store = SqliteStore(folder / "claims.db", SystemClock(), SystemIds())
    else:
        store = PostgresStore(postgres.new_database(), SystemClock(), SystemIds())
    await store.open()
    await store.migrate()
    found: dict[str, float] = {}
    there = 0
    for size in SIZES:
        await _more_hosts(store, there, size)
        there = size
        await _claim(store, f"warm-{size}", 50)
        began, database = time.process_time(), proc.cpu_s(postgres.pid) if postgres else 0.0
        await _claim(store, f"measured-{size}", _CLAIMS)
        used = time.process_time() - began
        if postgres:
            used += proc.cpu_s(postgres.pid) - database
        found[str(size)] = round(1000 * used / _CLAIMS, 3)
    await store.close()
    return found


async def _more_hosts(store: Store, there: int, size: int) -> None:
    async with store.write() as tx:
        for n in range(there, size):
            host = hosts.Host(
                id=f"host-{n}",
                name=f"host-{n}",
                kinds=("vm",),
                vcpus=64,
                memory_mib=256 * 1024,
                disk_gib=10_000,
                hypervisor_type="sim",
                created_at=0.0,
                updated_at=0.0,
            )
            await hosts.register(tx, host)


async def _claim(store: Store, prefix: str, count: int) -> None:
    for n in range(count):
        async with store.write() as tx:
            chosen = await choosing.place(tx, claims.Consumer(f"{prefix}-{n}", "p", "u", "INSTANCE"), _WANT)
            assert chosen is not None, "there is room for all of them"
