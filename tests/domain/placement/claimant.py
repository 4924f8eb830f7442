"""A process that claims, for the proofs in test_claims_races.py: one of many, and it may be killed at any moment.

Each piece of work makes an owner and its claim in one transaction, as a server is made. Work that is done
already (by this process before it was killed) is passed over.
"""

import asyncio
import sys
from pathlib import Path

from trivet.clock import SystemClock
from trivet.domain.placement import choosing, claims
from trivet.ids import SystemIds
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_PATIENCE_S = 120.0
"""Who comes again and again to a busy database is told so after a while; here nobody is, however slow the machine."""
WANT = choosing.Want(resources={"VCPU": 1, "MEMORY_MB": 512}, required=frozenset({"CUSTOM_KIND_VM"}))


def store_at(where: str) -> Store:
    if where.startswith("postgresql:"):
        return PostgresStore(where, SystemClock(), SystemIds(), patience_s=_PATIENCE_S)
    return SqliteStore(Path(where), SystemClock(), SystemIds(), patience_s=_PATIENCE_S)


async def claim_one(tx: Tx, owner_id: str) -> bool:
    if await tx.row("SELECT 1 FROM owners WHERE id = ?", owner_id) is not None:
        return True
    host_id = await choosing.place(tx, claims.Consumer(owner_id, "p1", "u1", "INSTANCE"), WANT)
    if host_id is None:
        return False
    await tx.run("INSERT INTO owners VALUES (?, ?)", owner_id, host_id)
    return True


async def main(where: str, first: int, step: int, end: int, at_once: int) -> int:
    """The number of claims that found no room."""
    store = store_at(where)
    await store.open()
    work = iter(range(first, end, step))
    refused = 0

    async def worker() -> None:
        nonlocal refused
        for n in work:
            refused += not await transact(store, lambda tx, n=n: claim_one(tx, f"owner-{n}"))  # type: ignore[misc] # n is bound now, on purpose

    await asyncio.gather(*(worker() for _ in range(at_once)))
    await store.close()
    return refused


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], *(int(said) for said in sys.argv[2:6]))))
