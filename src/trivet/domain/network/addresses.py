"""Addresses: which IP belongs to which port.

An address is claimed by inserting a row that can exist only once. A pool hands out its addresses in
order and then those that came back, oldest first; so finding one costs the same in an empty /16 as in a
full one, and an address is not given out again while others still remember whose it was. Where many came
back they are given first: a pool of IPv6 never ends, and its list would never stop growing.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from trivet.errors import Invalid
from trivet.store.tx import Tx
from trivet.store.where import Where

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_POOL_MAX = 2**62
"""What a BIGINT holds with room to spare; an IPv6 pool may be larger."""


_RESTING = 1024
"""How many that came back a subnet lets rest while it has new ones."""
_SQL_NEXT = (
    "UPDATE allocation_pools SET next = next + 1 WHERE subnet_id = ? AND first = ? AND next < size"
    " AND NOT EXISTS (SELECT 1 FROM freed_addresses WHERE subnet_id = ? ORDER BY seq LIMIT 1 OFFSET ?) RETURNING next"
)


class Pool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: str
    end: str


class FixedIp(msgspec.Struct, frozen=True):
    subnet_id: str
    ip_address: str


@lru_cache(maxsize=8192)
def parsed(ip: str) -> Address:
    """Without a zone: that is a word of one machine's own, into which any text fits."""
    try:
        found = ip_address(ip)
    except ValueError as error:
        raise _no_address(ip) from error
    if "%" in ip:
        raise _no_address(ip)
    return found


def _no_address(ip: str) -> Invalid:
    return Invalid("address.invalid", f"'{ip[:64]}' is not a valid IP address.")


@lru_cache(maxsize=8192)
def network_of(cidr: str) -> Network:
    """Host bits are dropped, as 10.0.0.5/24 means 10.0.0.0/24."""
    try:
        found = ip_network(cidr, strict=False)
    except ValueError as error:
        raise _no_block(cidr) from error
    if "%" in cidr:
        raise _no_block(cidr)
    return found


def _no_block(cidr: str) -> Invalid:
    return Invalid("address.invalid", f"'{cidr[:64]}' is not a valid IP subnet.")


def block_of(cidr: str) -> Network:
    """Reads a block, where a lone address does not stand for a block of one."""
    found = network_of(cidr)
    if "/" not in cidr:
        raise Invalid("address.invalid", f"'{cidr[:64]}' isn't a recognized IP subnet cidr, '{found}' is recommended")
    return found


def holds(pools: Iterable[Pool], ip: Address) -> bool:
    for pool in pools:
        start, end = parsed(pool.start), parsed(pool.end)
        if start.version == ip.version and int(start) <= int(ip) <= int(end):
            return True
    return False


def eui64(cidr: str, mac: str) -> str:
    """The address that a host with this MAC gives itself (RFC 4291, appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    low = int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]))
    return str(IPv6Address(int(network_of(cidr).network_address) + low))


async def hold_pools(tx: Tx, subnet_id: str, pools: Iterable[Pool]) -> None:
    """Locks address pools: whoever wants an address of them waits until the commit."""
    for pool in sorted(pools, key=lambda pool: pool.start):
        await tx.run("UPDATE allocation_pools SET next = next WHERE subnet_id = ? AND first = ?", subnet_id, pool.start)


async def open_pools(tx: Tx, subnet_id: str, pools: Iterable[Pool]) -> None:
    for pool in pools:
        size = int(parsed(pool.end)) - int(parsed(pool.start)) + 1
        await tx.run(
            "INSERT INTO allocation_pools (subnet_id, first, size, next) VALUES (?, ?, ?, 0)",
            subnet_id,
            pool.start,
            min(size, _POOL_MAX),
        )


async def close_pools(tx: Tx, subnet_id: str) -> None:
    await tx.run("DELETE FROM allocation_pools WHERE subnet_id = ?", subnet_id)
    await tx.run("DELETE FROM freed_addresses WHERE subnet_id = ?", subnet_id)


async def claim(tx: Tx, subnet_id: str, network_id: str, port_id: str, ip: str) -> bool:
    """This very address; False if it is somebody's."""
    touched = await tx.run(
        "INSERT INTO addresses (subnet_id, ip, port_id, network_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        subnet_id,
        ip,
        port_id,
        network_id,
    )
    return touched > 0


async def claim_any(tx: Tx, subnet_id: str, network_id: str, port_id: str, pools: Sequence[Pool]) -> str | None:
    """An address of the pools; None only if there is none left."""
    for claim_one in (_claim_next, _claim_freed, _claim_last):
        ip = await claim_one(tx, subnet_id, network_id, port_id, pools)
        if ip is not None:
            return ip
    return None


async def _claim_last(tx: Tx, subnet_id: str, network_id: str, port_id: str, pools: Sequence[Pool]) -> str | None:
    """Many came back, but none of them is free and in a pool: then there may be new ones."""
    return await _claim_next(tx, subnet_id, network_id, port_id, pools, resting=_POOL_MAX)


async def _claim_next(
    tx: Tx, subnet_id: str, network_id: str, port_id: str, pools: Sequence[Pool], *, resting: int = _RESTING
) -> str | None:
    """One that nobody had, unless more rest than that.

    Taking the next number locks the pool's row until the commit, so two takers wait for each other
    and never meet on one address. A number may belong to somebody who asked for it by name: then the
    insert says so, and the next number is tried.
    """
    for pool in pools:
        first = parsed(pool.start)
        while True:
            row = await tx.row(_SQL_NEXT, subnet_id, pool.start, subnet_id, resting)
            if row is None:
                break
            ip = str(first + (int(row[0]) - 1))
            if await claim(tx, subnet_id, network_id, port_id, ip):
                return ip
    return None


async def _claim_freed(tx: Tx, subnet_id: str, network_id: str, port_id: str, pools: Sequence[Pool]) -> str | None:
    # Those that take what came back take turns, as those that take new ones do.
    await hold_pools(tx, subnet_id, pools[:1])
    while True:
        oldest = await tx.row("SELECT seq, ip FROM freed_addresses WHERE subnet_id = ? ORDER BY seq LIMIT 1", subnet_id)
        if oldest is None:
            return None
        # Whoever deletes the row may have the address; the loser of that race looks again.
        if not await tx.run("DELETE FROM freed_addresses WHERE seq = ?", int(oldest[0])):
            continue
        ip = str(oldest[1])
        if holds(pools, parsed(ip)) and await claim(tx, subnet_id, network_id, port_id, ip):
            return ip


async def used_in(tx: Tx, subnet_ids: Collection[str]) -> dict[str, int]:
    """How many of each subnet's are taken; of those that have some."""
    where = Where().any_of("subnet_id", sorted(subnet_ids))
    sql = f"SELECT subnet_id, COUNT(*) FROM addresses{where.sql} GROUP BY subnet_id"
    return {str(row[0]): int(row[1]) for row in await tx.rows(sql, *where.values)}


async def free(tx: Tx, port_id: str, addresses: Iterable[FixedIp]) -> None:
    """Give back some addresses of a port. Subnets without pools (SLAAC) keep no list of what came back.

    The list comes first, as for those that take an address from it.
    """
    for address in addresses:
        await tx.run(
            "INSERT INTO freed_addresses (subnet_id, ip) SELECT ?, ? WHERE EXISTS"
            " (SELECT 1 FROM allocation_pools WHERE subnet_id = ?) ON CONFLICT DO NOTHING",
            address.subnet_id,
            address.ip_address,
            address.subnet_id,
        )
        await tx.run(
            "DELETE FROM addresses WHERE subnet_id = ? AND ip = ? AND port_id = ?",
            address.subnet_id,
            address.ip_address,
            port_id,
        )
