"""Back ends: what keeps volumes. Each says now and then that it is there, how much room it has and what it can do.

Volumes are claimed from it by one conditional update. They are sparse, so it promises more than it has; how much it
really has left is looked at, too.
"""

from typing import Any

import msgspec

from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

ALIVE_S = 30.0
OVERSOLD = 20
"""As upstream's max_over_subscription_ratio."""
RESERVED_GIB = 1
VENDOR = "Open Source"


class Backend(Record, frozen=True, kw_only=True):
    """`id` is HOST@DRIVER, as operators write it."""

    host_id: str | None = None
    """The only host whose servers reach its volumes; None: all do."""
    zone: str = DEFAULT_ZONE
    driver: str
    abilities: tuple[str, ...] = ()
    total_gib: int
    free_gib: int
    allocated_gib: int = 0
    enabled: bool = True
    disabled_reason: str | None = None
    frozen: bool = False
    seen_at: float
    created_at: float
    updated_at: float


BACKENDS = Table("volume_backends", Backend)


def pool_of(backend_id: str) -> str:
    """HOST@DRIVER#POOL; each of ours is one pool."""
    return f"{backend_id}#{backend_id.rpartition('@')[2]}"


def is_up(backend: Backend, now: float) -> bool:
    return now - backend.seen_at < ALIVE_S


async def register(tx: Tx, found: Backend) -> Backend:
    """What an operator said of it stays."""
    known = await tx.get(BACKENDS, found.id)
    if known is None:
        return await tx.insert(BACKENDS, found)
    facts = ("host_id", "driver", "abilities", "total_gib", "free_gib")
    return await tx.update(BACKENDS, known, seen_at=found.seen_at, **{name: getattr(found, name) for name in facts})


async def change(tx: Tx, backend: Backend, **changes: Any) -> Backend:
    """As an operator says it."""
    return await tx.update(BACKENDS, backend, updated_at=tx.clock.now(), **changes)


async def heard(tx: Tx, id: str, free_gib: int, total_gib: int) -> None:
    """A sign of life is no news to anybody."""
    sql = "UPDATE volume_backends SET seen_at = ?, free_gib = ?, total_gib = ? WHERE id = ?"
    await tx.run(sql, tx.clock.now(), free_gib, total_gib, id)


class Wish(msgspec.Struct, frozen=True):
    size_gib: int
    zone: str | None = None
    only: str | None = None
    """Where the source is."""
    host_id: str | None = None
    """Whose servers must reach it."""
    specs: dict[str, str] = {}
    encrypted: bool = False


async def place(tx: Tx, wish: Wish) -> Backend | None:
    """Take room on the emptiest one that fits."""
    where = Where().add("seen_at > ?", tx.clock.now() - ALIVE_S).equal("enabled", 1).equal("frozen", 0)
    where.add("free_gib >= ?", RESERVED_GIB)
    if wish.zone is not None:
        where.equal("zone", wish.zone)
    if wish.only is not None:
        where.equal("id", wish.only)
    if wish.host_id is not None:
        where.add("(host_id IS NULL OR host_id = ?)", wish.host_id)
    for backend in await tx.select(BACKENDS, where, order="allocated_gib - total_gib, id"):
        if wish.encrypted and "encryption" not in backend.abilities:
            continue
        if fits(backend, wish.specs) and await claim(tx, backend.id, wish.size_gib):
            return backend
    return None


async def claim(tx: Tx, id: str, gib: int) -> bool:
    sql = (
        "UPDATE volume_backends SET allocated_gib = allocated_gib + ?"
        f" WHERE id = ? AND allocated_gib + ? <= total_gib * {OVERSOLD}"
    )
    return bool(await tx.run(sql, gib, id, gib))


async def free(tx: Tx, id: str | None, gib: int) -> None:
    if id is not None:
        await tx.run("UPDATE volume_backends SET allocated_gib = allocated_gib - ? WHERE id = ?", gib, id)


def fits(backend: Backend, specs: dict[str, str]) -> bool:
    """What a type says of back ends; what has a scope of its own is for others."""
    own = {"volume_backend_name": backend.driver, "storage_protocol": "nbd", "vendor_name": VENDOR}
    able = {name: "<is> True" for name in backend.abilities}
    for said, wanted in specs.items():
        name = said.removeprefix("capabilities:")
        if name == "RESKEY:availability_zones":
            if backend.zone not in [zone.strip() for zone in wanted.split(",")]:
                return False
        elif name in own:
            if own[name] != wanted:
                return False
        elif wanted.startswith("<is> ") and able.get(name, "<is> False").lower() != wanted.lower():
            return False
    return True
