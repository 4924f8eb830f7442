"""Capacity: what hosts have, and what of it is taken, as one read."""

import msgspec

from trivet.store.tx import Tx
from trivet.store.where import Where

_FIELDS = {"VCPU": "vcpus", "MEMORY_MB": "memory_mib", "DISK_GB": "disk_gib"}


class Capacity(msgspec.Struct):
    """`total` is what is really there, without over-commitment."""

    vcpus: int = 0
    vcpus_used: int = 0
    memory_mib: int = 0
    memory_mib_used: int = 0
    disk_gib: int = 0
    disk_gib_used: int = 0
    servers: int = 0
    busy: int = 0
    """Servers on which something is going on."""


async def of_hosts(tx: Tx, ids: list[str]) -> dict[str, Capacity]:
    found = {id: Capacity() for id in ids}
    if not ids:
        return found
    where = Where().any_of("provider_id", ids).any_of("class", list(_FIELDS))
    for id, name, total, used in await tx.rows(
        f"SELECT provider_id, class, total, used FROM inventories{where.sql}", *where.values
    ):
        setattr(found[id], _FIELDS[name], int(total))
        setattr(found[id], f"{_FIELDS[name]}_used", int(used))
    where = Where().any_of("host_id", ids).add("deleted_at IS NULL")
    for id, servers, busy in await tx.rows(
        f"SELECT host_id, COUNT(*), COUNT(task) FROM servers{where.sql} GROUP BY host_id", *where.values
    ):
        found[id].servers, found[id].busy = int(servers), int(busy)
    return found


async def servers_on(tx: Tx, ids: list[str]) -> dict[str, list[tuple[str, str]]]:
    """(id, name) of each host's servers."""
    found: dict[str, list[tuple[str, str]]] = {id: [] for id in ids}
    where = Where().any_of("host_id", ids).add("deleted_at IS NULL")
    for host_id, id, name in await tx.rows(
        f"SELECT host_id, id, name FROM servers{where.sql} ORDER BY created_at, id", *where.values
    ):
        found[host_id].append((str(id), str(name)))
    return found
