"""Server addresses: the network side of servers as their views show it, a whole list in four queries."""

from collections.abc import Iterable

import msgspec

from trivet.store.tx import Tx
from trivet.store.where import Where


class Address(msgspec.Struct, frozen=True):
    ip: str
    mac: str
    floating: bool


class Connected(msgspec.Struct, frozen=True):
    """What is known of one server."""

    networks: dict[str, list[Address]]
    """Addresses by the network's name, in the order in which the ports came."""
    groups: list[str]
    """Names of security groups, one for each port that is in it."""


class _FixedIp(msgspec.Struct, frozen=True):
    ip_address: str


NOTHING = Connected(networks={}, groups=[])
_fixed_ips = msgspec.json.Decoder(list[_FixedIp]).decode
_group_ids = msgspec.json.Decoder(list[str]).decode


async def of(tx: Tx, server_ids: Iterable[str]) -> dict[str, Connected]:
    inside = Where().any_of("p.device_id", server_ids)
    rows = await tx.rows(
        "SELECT p.device_id, p.id, p.network_id, p.mac_address, p.fixed_ips, p.security_groups FROM ports p"
        f" JOIN servers s ON s.id = p.device_id AND s.project_id = p.project_id{inside.sql}"
        " ORDER BY p.created_at, p.id",
        *inside.values,
    )
    if not rows:
        return {}
    floating = await _floating(tx, [row[1] for row in rows])
    names = await _names(tx, "networks", {row[2] for row in rows})
    groups_of = {text: _group_ids(text) for text in {row[5] for row in rows}}
    group_names = await _names(tx, "security_groups", {id for ids in groups_of.values() for id in ids})
    found: dict[str, Connected] = {}
    for device_id, port_id, network_id, mac, fixed_ips, groups in rows:
        server = found.get(device_id)
        if server is None:
            server = found[device_id] = Connected(networks={}, groups=[])
        listed = server.networks.setdefault(names.get(network_id, network_id), [])
        for fixed in _fixed_ips(fixed_ips):
            listed.append(Address(fixed.ip_address, mac, False))
            outside = floating.get((port_id, fixed.ip_address))
            if outside is not None:
                listed.append(Address(outside, mac, True))
        server.groups.extend(group_names.get(id, id) for id in groups_of[groups])
    return found


async def _floating(tx: Tx, port_ids: list[str]) -> dict[tuple[str, str], str]:
    inside = Where().any_of("port_id", port_ids)
    rows = await tx.rows(
        f"SELECT port_id, fixed_ip_address, floating_ip_address FROM floating_ips{inside.sql}", *inside.values
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def _names(tx: Tx, table: str, ids: set[str]) -> dict[str, str]:
    if not ids:
        return {}
    inside = Where().any_of("id", sorted(ids))
    return {row[0]: row[1] for row in await tx.rows(f"SELECT id, name FROM {table}{inside.sql}", *inside.values)}
