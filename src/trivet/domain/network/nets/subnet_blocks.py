"""The addresses of a subnet: which one is the gateway's, and which ones are given to ports."""

import itertools
from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from trivet.domain.network import addresses
from trivet.domain.network.addresses import Pool, parsed
from trivet.errors import Conflict, Invalid

_POOLS_MAX = 50


def gateway_of(asked: str | UnsetType | None, block: addresses.Network) -> str | None:
    if asked is None:
        return None
    if asked is UNSET or asked == "":
        if block.num_addresses == 1:
            return None
        return str(block.network_address + (1 if block.num_addresses > 2 else 0))
    ip = parsed(asked)
    if ip.version != block.version:
        raise Invalid("subnet.gateway", f"Invalid input for operation: gateway_ip {ip} is not IPv{block.version}.")
    on_edge = _has_edges(block) and ip in (block[0], block[-1])
    if on_edge or (block.version == 6 and ip not in block and not ip.is_link_local):
        raise Invalid("subnet.gateway", "Invalid input for operation: Gateway is not valid on subnet.")
    return str(ip)


def default_pools(block: addresses.Network, gateway: str | None) -> tuple[Pool, ...]:
    """All of the block but its network, broadcast and gateway addresses."""
    first, last = int(block.network_address), int(block.broadcast_address)
    if _has_edges(block):
        first, last = first + 1, last - 1
    elif block.version == 6 and block.prefixlen < 127:
        first += 1
    kind = type(block.network_address)
    spans = [(first, last)]
    if gateway is not None and first <= int(parsed(gateway)) <= last:
        at = int(parsed(gateway))
        spans = [(first, at - 1), (at + 1, last)]
    return tuple(Pool(str(kind(a)), str(kind(b))) for a, b in spans if a <= b)


def _has_edges(block: addresses.Network) -> bool:
    """Its first and its last address are the network's own and the broadcast's."""
    return block.version == 4 and block.prefixlen < 31


def checked_pools(pools: Sequence[Pool], block: addresses.Network) -> tuple[Pool, ...]:
    if len(pools) > _POOLS_MAX:
        raise Invalid("subnet.pool_invalid", f"Unable to complete operation: more than {_POOLS_MAX} allocation pools.")
    spans: list[tuple[int, int, Pool]] = []
    for pool in pools:
        start, end = parsed(pool.start), parsed(pool.end)
        if start.version != block.version or end.version != block.version or int(end) < int(start):
            raise Invalid("subnet.pool_invalid", f"The allocation pool {pool.start}-{pool.end} is not valid.")
        on_edge = _has_edges(block) and (start == block[0] or end == block[-1])
        if start not in block or end not in block or on_edge:
            raise Invalid(
                "subnet.pool_outside",
                f"The allocation pool {pool.start}-{pool.end} spans beyond the subnet cidr {block}.",
            )
        spans.append((int(start), int(end), Pool(str(start), str(end))))
    spans.sort(key=lambda span: span[0])
    for before, after in itertools.pairwise(spans):
        if after[0] <= before[1]:
            raise Conflict(
                "subnet.pools_overlap",
                f"Found overlapping allocation pools: {before[2]}, {after[2]} for subnet {block}.",
            )
    return tuple(span[2] for span in spans)


def keep_gateway_outside(gateway: str | None, pools: Sequence[Pool]) -> None:
    if gateway is not None and addresses.holds(pools, parsed(gateway)):
        raise Conflict("subnet.gateway_in_pool", f"Gateway ip {gateway} conflicts with allocation pool of the subnet.")
