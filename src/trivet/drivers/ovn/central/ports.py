"""A port in OVN: one logical switch port, and its membership in the port groups of its security groups."""

from trivet.drivers.contracts.network import PortSpec
from trivet.drivers.ovn.central.groups import DROP_GROUP, group_stub
from trivet.drivers.ovn.central.networks import network_stub
from trivet.drivers.ovn.central.rows import Member, Row, RowChange, row_uuid, tag
from trivet.drivers.ovn.ovsdb import NOTHING, Json, Key, many, mapping, pairs, reference, references

TABLE = "Logical_Switch_Port"


def port_change(
    spec: PortSpec, there: dict[Key, dict[str, Json]], chassis: str | None = None, centre: str = ""
) -> RowChange:
    """`chassis`: the only one that may bind it; None: any. `centre`: the one that answers for what is outside."""
    key = (TABLE, row_uuid("port", spec.id))
    groups = tuple(row_uuid("group", id) for id in dict.fromkeys(spec.groups)) + ((DROP_GROUP,) if spec.secure else ())
    left = tuple(sorted(groups_before(there.get(key)) - set(groups)))
    return RowChange(
        rows=(
            network_stub(spec.network_id),
            *(group_stub(id) for id in dict.fromkeys(spec.groups)),
            *(_speaker(centre) if spec.outside else ()),
            Row(*key, _columns(spec, groups, chassis)),
        ),
        members=(
            Member("Logical_Switch", row_uuid("network", spec.network_id), "ports", (key[1],)),
            *(Member("Port_Group", group, "ports", (key[1],)) for group in groups),
            *(Member("Port_Group", group, "ports", (key[1],), present=False) for group in left),
        ),
    )


def port_removal(id: str, there: dict[Key, dict[str, Json]]) -> RowChange:
    """Leaving its switch removes the row, and a removed row leaves all port groups, by OVSDB's own rules."""
    key = (TABLE, row_uuid("port", id))
    facts = mapping(there[key]["external_ids"]) if key in there else {}
    if facts.get("noun") != "port":
        return RowChange()  # gone already, or the end of a router, which goes with the router
    network_id = facts["network"]
    return RowChange(
        members=(Member("Logical_Switch", row_uuid("network", network_id), "ports", (key[1],), present=False),)
    )


def groups_before(port: dict[str, Json] | None) -> set[str]:
    """The groups that a port is in. A router's end obeys none, but may still be in the one that drops."""
    if not port:
        return set()
    facts = mapping(port["external_ids"])
    return set(facts.get("groups", "").split()) if facts.get("noun") == "port" else {DROP_GROUP}


def _columns(spec: PortSpec, groups: tuple[str, ...], chassis: str | None) -> dict[str, Json]:
    subnets = {4: "", 6: ""}
    for address in reversed(spec.addresses):
        subnets[6 if ":" in address.ip else 4] = address.subnet_id
    own = " ".join([spec.mac, *(address.ip for address in spec.addresses)])
    return {
        "name": spec.id,
        # A physical machine's: nobody binds it, and who answers for it gives it its addresses by DHCP.
        "type": "external" if spec.outside else "",
        "ha_chassis_group": reference(row_uuid("speaker", "group")) if spec.outside else NOTHING,
        "options": pairs({"requested-chassis": chassis} if chassis else {}),
        # "unknown" also brings frames for addresses that nobody has told us about.
        "addresses": many([own] if spec.secure else [own, "unknown"]),
        "port_security": many(_allowed_sources(spec)) if spec.secure else NOTHING,
        "enabled": spec.up,
        # Set though the row may not be there yet: OVSDB drops a weak reference to nothing, and the network
        # binds its ports when it makes the row.
        "dhcpv4_options": reference(row_uuid("dhcp", subnets[4])) if subnets[4] else NOTHING,
        "dhcpv6_options": reference(row_uuid("dhcp", subnets[6])) if subnets[6] else NOTHING,
        "external_ids": tag(
            "port",
            spec.id,
            network=spec.network_id,
            groups=" ".join(groups),
            subnet4=subnets[4],
            subnet6=subnets[6],
        ),
    }


def _speaker(centre: str) -> tuple[Row, ...]:
    """Who answers for ports that no chassis has."""
    member = row_uuid("speaker", centre)
    return (
        Row("HA_Chassis", member, {"chassis_name": centre, "priority": 1}),
        Row("HA_Chassis_Group", row_uuid("speaker", "group"), {"name": "outside", "ha_chassis": references([member])}),
    )


def _allowed_sources(spec: PortSpec) -> list[str]:
    """Per MAC, the addresses it may use. OVN adds the MAC's own IPv6 link-local address by itself.

    A MAC with no address at all would be free to use any, so it gets the one that is none.
    """
    addresses: dict[str, list[str]] = {spec.mac: [address.ip for address in spec.addresses]}
    for mac, cidr in spec.allowed_pairs:
        addresses.setdefault(mac or spec.mac, []).append(cidr)
    return [" ".join([mac, *(allowed or ["0.0.0.0"])]) for mac, allowed in addresses.items()]  # noqa: S104 - no socket
