"""A router in OVN: one logical router, a pair of ports per network it joins, and its address translations.

What leaves by the gateway is translated on one host (the chassis of the gateway port); traffic between the
router's own networks never goes there.
"""

import ipaddress

from trivet.drivers.contracts.network import RouterPort, RouterSpec
from trivet.drivers.ovn.central.networks import announcement, network_stub
from trivet.drivers.ovn.central.ports import groups_before
from trivet.drivers.ovn.central.rows import Member, Row, RowChange, row_uuid, tag
from trivet.drivers.ovn.ovsdb import NOTHING, Json, Key, many, mapping, pairs, references

NEIGHBOUR_AGE_S = 300


def router_change(spec: RouterSpec, chassis: str, there: dict[Key, dict[str, Json]]) -> RowChange:
    key = ("Logical_Router", row_uuid("router", spec.id))
    joined = (*spec.interfaces, *((spec.gateway,) if spec.gateway else ()))
    ends = {port.port_id: port.network_id for port in joined}
    bindings = (_gateway_chassis(spec.gateway, chassis),) if spec.gateway else ()
    inner = tuple(_router_port(spec, port, there) for port in joined)
    outer = tuple(_switch_port(port, port is spec.gateway) for port in joined)
    nats, routes = _nats(spec), _routes(spec)
    router = Row(
        *key,
        {
            "name": spec.id,
            "enabled": spec.up,
            "ports": references([row.uuid for row in inner]),
            "nat": references([row.uuid for row in nats]),
            "static_routes": references([row.uuid for row in routes]),
            "options": pairs({"mac_binding_age_threshold": str(NEIGHBOUR_AGE_S)}),
            "external_ids": tag("router", spec.id, ends=" ".join(f"{p}@{n}" for p, n in sorted(ends.items()))),
        },
    )
    return RowChange(
        rows=(
            router,
            *(network_stub(id) for id in sorted(set(ends.values()))),
            *bindings,
            *inner,
            *outer,
            *nats,
            *routes,
        ),
        members=(
            *(
                Member("Port_Group", group, "ports", (row_uuid("port", port_id),), present=False)
                for port_id in ends
                for group in sorted(groups_before(there.get(_end(port_id))))
            ),
            *(_plug(port_id, network_id, True) for port_id, network_id in ends.items()),
            *(_plug(p, n, False) for p, n in _ends_before(there.get(key)) if ends.get(p) != n),
        ),
    )


def router_removal(id: str, there: dict[Key, dict[str, Json]]) -> RowChange:
    key = ("Logical_Router", row_uuid("router", id))
    return RowChange(members=tuple(_plug(p, n, False) for p, n in _ends_before(there.get(key))), gone=(key,))


def facts_keys(spec: RouterSpec) -> list[Key]:
    """The rows that say what a router must announce on its networks, and what its ports were before they were its."""
    switches = [("Logical_Switch", row_uuid("network", port.network_id)) for port in spec.interfaces]
    return [*switches, *(_end(port.port_id) for port in spec.interfaces)]


def _end(port_id: str) -> Key:
    return "Logical_Switch_Port", row_uuid("port", port_id)


def _ends_before(router: dict[str, Json] | None) -> list[tuple[str, str]]:
    words = mapping(router["external_ids"]).get("ends", "").split() if router else []
    return [(word.split("@")[0], word.split("@")[1]) for word in words]


def _plug(port_id: str, network_id: str, present: bool) -> Member:
    port = (row_uuid("port", port_id),)
    return Member("Logical_Switch", row_uuid("network", network_id), "ports", port, present=present)


def _router_port(spec: RouterSpec, port: RouterPort, there: dict[Key, dict[str, Json]]) -> Row:
    switch = there.get(("Logical_Switch", row_uuid("network", port.network_id)))
    facts = mapping(switch["external_ids"]) if switch else {}
    gateway = port is spec.gateway
    silent = gateway or not port.announces
    return Row(
        "Logical_Router_Port",
        row_uuid("router-port", port.port_id),
        {
            "name": f"router-{port.port_id}",
            "mac": port.mac,
            "networks": many(port.cidrs),
            "gateway_chassis": references([row_uuid("gateway-chassis", port.port_id)]) if gateway else NOTHING,
            "ipv6_ra_configs": pairs({}) if silent else announcement(facts.get("ra", ""), facts.get("mtu", "")),
            "external_ids": tag("router-port", port.port_id, **({} if silent else {"network": port.network_id})),
        },
    )


def _gateway_chassis(port: RouterPort, chassis: str) -> Row:
    columns = {"name": f"router-{port.port_id}-{chassis}", "chassis_name": chassis, "priority": 1}
    return Row("Gateway_Chassis", row_uuid("gateway-chassis", port.port_id), columns)


def _switch_port(port: RouterPort, gateway: bool) -> Row:
    options = {"router-port": f"router-{port.port_id}"}
    if gateway:
        options |= {"nat-addresses": "router"}  # announces floating addresses by gratuitous ARP
    return Row(
        "Logical_Switch_Port",
        row_uuid("port", port.port_id),
        {
            "name": port.port_id,
            "type": "router",
            "addresses": many(["router"]),
            "port_security": NOTHING,
            "options": pairs(options),
            "external_ids": tag("router-end", port.port_id, network=port.network_id),
        },
    )


def _nats(spec: RouterSpec) -> tuple[Row, ...]:
    if spec.gateway is None:
        return ()
    own = next((cidr.split("/")[0] for cidr in spec.gateway.cidrs if ":" not in cidr), None)
    inside = [
        str(ipaddress.ip_interface(cidr).network)
        for port in spec.interfaces
        for cidr in port.cidrs
        if ":" not in cidr and spec.snat and own is not None
    ]
    out = [_nat(spec.id, "snat", own or "", cidr, cidr) for cidr in dict.fromkeys(inside)]
    back = [_nat(spec.id, "dnat_and_snat", f.floating_ip, f.fixed_ip, f.id) for f in spec.floating]
    return (*out, *back)


def _nat(router_id: str, kind: str, external: str, logical: str, id: str) -> Row:
    columns = {"type": kind, "external_ip": external, "logical_ip": logical, "external_ids": tag("nat", id)}
    return Row("NAT", row_uuid(f"nat/{router_id}", id), columns)


def _routes(spec: RouterSpec) -> tuple[Row, ...]:
    routes = list(spec.routes)
    if spec.gateway is not None and spec.gateway_next_hop is not None:
        everything = "::/0" if ":" in spec.gateway_next_hop else "0.0.0.0/0"
        routes.append((everything, spec.gateway_next_hop))
    return tuple(
        Row(
            "Logical_Router_Static_Route",
            row_uuid(f"route/{spec.id}", f"{to} {via}"),
            {"ip_prefix": to, "nexthop": via, "external_ids": tag("route", spec.id)},
        )
        for to, via in dict.fromkeys(routes)
    )
