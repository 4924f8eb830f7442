"""A network in OVN: one logical switch, DHCP answers that OVN gives by itself, and the doors out of it.

The metadata door is a "localport": the same address 169.254.169.254 on every network and every host. Guests
are told by DHCP that it is on their own link, so it takes no address of the tenant and needs no router.
"""

import hashlib
import ipaddress

from trivet.drivers.contracts.network import NetworkSpec, SubnetSpec
from trivet.drivers.ovn.central.rows import Member, Row, RowChange, row_uuid, tag
from trivet.drivers.ovn.ovsdb import NOTHING, Json, Key, Operation, many, mapping, pairs, reference, references

METADATA_IP = "169.254.169.254"
LEASE_S = 43200


def network_change(spec: NetworkSpec, there: dict[Key, dict[str, Json]]) -> RowChange:
    switch_key = ("Logical_Switch", row_uuid("network", spec.id))
    before = _subnets_before(there.get(switch_key))
    answers = tuple(_dhcp_row(spec, subnet) for subnet in spec.subnets if _answers_dhcp(subnet))
    stale = before - {row.uuid for row in answers}
    doors = _doors(spec)
    door_uuids = {name: row_uuid(name, spec.id) for name in ("metadata", "physical")}
    doors += tuple(_segment(spec, physical, vlan) for physical, vlan in spec.segments)
    closed = tuple(uuid for uuid in door_uuids.values() if uuid not in {row.uuid for row in doors})
    walls = _walls(spec)
    switch = Row(
        *switch_key,
        {
            "name": spec.id,
            "acls": references([wall.uuid for wall in walls]),
            "external_ids": tag(
                "network",
                spec.id,
                mtu=str(spec.mtu),
                dhcp=" ".join(sorted(row.uuid for row in answers)),
                ra=" ".join(sorted({s.ipv6_mode for s in spec.subnets if s.ipv6_mode})),
            ),
        },
    )
    return RowChange(
        rows=(switch, *answers, *doors, *walls),
        members=(
            Member(*switch_key, "ports", tuple(row.uuid for row in doors)),
            Member(*switch_key, "ports", closed, present=False),
        ),
        gone=tuple(("DHCP_Options", uuid) for uuid in sorted(stale)),
        also=(_announce(spec),),
    )


def network_removal(id: str, there: dict[Key, dict[str, Json]]) -> RowChange:
    key = ("Logical_Switch", row_uuid("network", id))
    before = _subnets_before(there.get(key))
    return RowChange(gone=(key, *(("DHCP_Options", uuid) for uuid in sorted(before))))


def network_stub(id: str) -> Row:
    return Row("Logical_Switch", row_uuid("network", id), {"name": id, "external_ids": tag("network", id)}, stub=True)


def metadata_port(network_id: str) -> str:
    return f"metadata-{network_id}"


def made_mac(what: str) -> str:
    """A stable, locally known MAC for a port that no tenant sees."""
    return "fa:16:3f:" + hashlib.sha256(what.encode()).digest()[:3].hex(":")


def announcement(mode: str, mtu: str) -> Json:
    """Router advertisements, as a logical router port has them."""
    if not mode:
        return pairs({})
    address_mode = {"slaac": "slaac", "dhcpv6-stateful": "dhcpv6_stateful", "dhcpv6-stateless": "dhcpv6_stateless"}
    return pairs({"address_mode": address_mode[mode.split(maxsplit=1)[0]], "send_periodic": "true", "mtu": mtu})


def _announce(spec: NetworkSpec) -> Operation:
    """Routers may have been plugged before the subnets were known."""
    mode = next((subnet.ipv6_mode for subnet in spec.subnets if subnet.ipv6_mode), "")
    return {
        "op": "update",
        "table": "Logical_Router_Port",
        "where": [["external_ids", "includes", pairs({"network": spec.id})]],
        "row": {"ipv6_ra_configs": announcement(mode, str(spec.mtu))},
    }


def _subnets_before(switch: dict[str, Json] | None) -> set[str]:
    return set(mapping(switch["external_ids"]).get("dhcp", "").split()) if switch else set()


def _answers_dhcp(subnet: SubnetSpec) -> bool:
    """Whether a subnet has DHCP. With slaac alone, addresses come from router advertisements."""
    return subnet.dhcp and (subnet.ip_version == 4 or subnet.ipv6_mode in ("dhcpv6-stateful", "dhcpv6-stateless"))


def _dhcp_row(spec: NetworkSpec, subnet: SubnetSpec) -> Row:
    uuid = row_uuid("dhcp", subnet.id)
    bind: Operation = {
        "op": "update",
        "table": "Logical_Switch_Port",
        "where": [["external_ids", "includes", pairs({f"subnet{subnet.ip_version}": subnet.id})]],
        "row": {f"dhcpv{subnet.ip_version}_options": reference(uuid)},
    }
    options = _dhcpv4(spec, subnet) if subnet.ip_version == 4 else _dhcpv6(spec, subnet)
    cidr = str(ipaddress.ip_network(subnet.cidr, strict=False))
    columns = {"cidr": cidr, "options": pairs(options), "external_ids": tag("subnet", subnet.id, network=spec.id)}
    return Row("DHCP_Options", uuid, columns, when_new=(bind,))


def _dhcpv4(spec: NetworkSpec, subnet: SubnetSpec) -> dict[str, str]:
    routes = list(subnet.routes)
    if spec.metadata:
        routes.append((f"{METADATA_IP}/32", "0.0.0.0"))  # noqa: S104 - by RFC 3442 this means "on the link"
    options = {
        "server_id": subnet.gateway or METADATA_IP,
        "server_mac": made_mac(f"dhcp/{spec.id}"),
        "lease_time": str(LEASE_S),
        "mtu": str(spec.mtu),
    }
    if subnet.gateway:
        options["router"] = subnet.gateway
        # A client that understands option 121 must ignore the router option, so the way out is in both.
        routes.append(("0.0.0.0/0", subnet.gateway))
    if routes:
        options["classless_static_route"] = "{" + ", ".join(f"{to},{via}" for to, via in routes) + "}"
    dns = [address for address in subnet.dns if ":" not in address]
    if dns:
        options["dns_server"] = "{" + ", ".join(dns) + "}"
    return options


def _dhcpv6(spec: NetworkSpec, subnet: SubnetSpec) -> dict[str, str]:
    options = {"server_id": made_mac(f"dhcp/{spec.id}")}
    dns = [address for address in subnet.dns if ":" in address]
    if dns:
        options["dns_server"] = "{" + ", ".join(dns) + "}"
    if subnet.ipv6_mode == "dhcpv6-stateless":
        options["dhcpv6_stateless"] = "true"
    return options


def _doors(spec: NetworkSpec) -> tuple[Row, ...]:
    doors = []
    if spec.metadata:
        doors.append(
            Row(
                "Logical_Switch_Port",
                row_uuid("metadata", spec.id),
                {
                    "name": metadata_port(spec.id),
                    "type": "localport",
                    "addresses": many([f"{made_mac(f'metadata/{spec.id}')} {METADATA_IP}"]),
                    "external_ids": tag("metadata", spec.id),
                },
            )
        )
    if spec.physical is not None:
        doors.append(
            Row(
                "Logical_Switch_Port",
                row_uuid("physical", spec.id),
                {
                    "name": f"physical-{spec.id}",
                    "type": "localnet",
                    "addresses": many(["unknown"]),
                    "options": pairs({"network_name": spec.physical}),
                    "tag": NOTHING if spec.vlan is None else spec.vlan,
                    "external_ids": tag("physical", spec.id),
                },
            )
        )
    return tuple(doors)


def _segment(spec: NetworkSpec, physical: str, vlan: int) -> Row:
    """The way to physical machines. Once it is there it stays as long as the network."""
    return Row(
        "Logical_Switch_Port",
        row_uuid(f"segment-{physical}", spec.id),
        {
            "name": f"segment-{physical}-{spec.id}",
            "type": "localnet",
            "addresses": many(["unknown"]),
            "options": pairs({"network_name": physical}),
            "tag": vlan,
            "external_ids": tag("segment", spec.id),
        },
    )


def _walls(spec: NetworkSpec) -> tuple[Row, ...]:
    """A network that is administratively down carries nothing."""
    if spec.up:
        return ()
    return tuple(
        Row(
            "ACL",
            row_uuid(f"down-{direction}", spec.id),
            {"direction": direction, "priority": 32000, "match": "ip", "action": "drop"},
        )
        for direction in ("from-lport", "to-lport")
    )
