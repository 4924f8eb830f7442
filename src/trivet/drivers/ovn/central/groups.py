"""A security group in OVN: a port group whose access rules allow, above one common group that drops.

OVN keeps an address set per port group by itself ($name_ip4, $name_ip6); rules that name a remote group use it. Rules
that name a list of addresses use two sets of ours, so that a list is kept once, however many rules name it.
"""

import ipaddress

from trivet.drivers.contracts.network import AddressesSpec, GroupSpec, RuleSpec
from trivet.drivers.contracts.protocols import NUMBERS
from trivet.drivers.ovn.central.networks import METADATA_IP
from trivet.drivers.ovn.central.rows import Row, RowChange, row_uuid, tag
from trivet.drivers.ovn.ovsdb import Json, many, references

DROP_GROUP = row_uuid("drop", "all")
DROP_NAME = "trivet_drop"
_DROP, _ALLOW = 1001, 1002

_FAMILIES = ("ip4", "ip6")
_WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}


def group_change(spec: GroupSpec) -> RowChange:
    action = "allow-related" if spec.stateful else "allow-stateless"
    # Rules that come to the same match are one row.
    matches = dict.fromkeys((rule.direction, _match(spec.id, rule)) for rule in spec.rules)
    rules = [_acl(f"rule/{spec.id}", direction, match, action) for direction, match in matches]
    return RowChange(rows=(_group(row_uuid("group", spec.id), group_name(spec.id), spec.id, rules), *rules))


def group_removal(id: str) -> RowChange:
    return RowChange(gone=(("Port_Group", row_uuid("group", id)),))


def group_stub(id: str) -> Row:
    columns = {"name": group_name(id), "external_ids": tag("group", id)}
    return Row("Port_Group", row_uuid("group", id), columns, stub=True)


def group_name(id: str) -> str:
    return "trivet_" + id.replace("-", "_")


def addresses_change(spec: AddressesSpec) -> RowChange:
    by_family: dict[str, list[str]] = {family: [] for family in _FAMILIES}
    for cidr in spec.cidrs:
        by_family["ip6" if ":" in cidr else "ip4"].append(cidr)
    return RowChange(
        rows=tuple(
            Row(
                "Address_Set",
                row_uuid(f"addresses-{family}", spec.id),
                {
                    "name": _addresses_name(spec.id, family),
                    "addresses": many(cidrs),
                    "external_ids": tag("addresses", spec.id),
                },
            )
            for family, cidrs in by_family.items()
        )
    )


def addresses_removal(id: str) -> RowChange:
    return RowChange(gone=tuple(("Address_Set", row_uuid(f"addresses-{family}", id)) for family in _FAMILIES))


def _addresses_name(id: str, family: str) -> str:
    return f"trivet_addresses_{id.replace('-', '_')}_{family}"


def drop_change() -> RowChange:
    """What every secure port is under: nothing but DHCP and the metadata service.

    Neighbour discovery needs no rule: OVN lets it by before it tracks connections.
    """
    mine, theirs = f"inport == @{DROP_NAME}", f"outport == @{DROP_NAME}"
    allow = "allow-related"
    rules = [
        _acl("drop", "egress", f"{mine} && ip", "drop"),
        _acl("drop", "ingress", f"{theirs} && ip", "drop"),
        _acl("drop", "egress", f"{mine} && ip4 && udp.src == 68 && udp.dst == 67", allow),
        _acl("drop", "egress", f"{mine} && ip6 && udp.src == 546 && udp.dst == 547", allow),
        _acl("drop", "egress", f"{mine} && ip4.dst == {METADATA_IP} && tcp.dst == 80", allow),
    ]
    return RowChange(rows=(_group(DROP_GROUP, DROP_NAME, "", rules, noun="drop"), *rules))


def _group(uuid: str, name: str, id: str, rules: list[Row], noun: str = "group") -> Row:
    columns = {"name": name, "acls": references([rule.uuid for rule in rules]), "external_ids": tag(noun, id)}
    return Row("Port_Group", uuid, columns)


def _acl(what: str, direction: str, match: str, action: str) -> Row:
    columns: dict[str, Json] = {
        "direction": "to-lport" if direction == "ingress" else "from-lport",
        "priority": _DROP if action == "drop" else _ALLOW,
        "match": match,
        "action": action,
        "external_ids": tag("rule", what),
    }
    return Row("ACL", row_uuid(what, f"{direction} {action} {match}"), columns)


def _match(group_id: str, rule: RuleSpec) -> str:
    name = group_name(group_id)
    side = f"outport == @{name}" if rule.direction == "ingress" else f"inport == @{name}"
    family = "ip4" if rule.ip_version == 4 else "ip6"
    return " && ".join([side, family, *_remote(rule, family), *_protocol(rule)])


def _remote(rule: RuleSpec, family: str) -> list[str]:
    end = f"{family}.{'src' if rule.direction == 'ingress' else 'dst'}"
    if rule.remote_group is not None:
        return [f"{end} == ${group_name(rule.remote_group)}_{family}"]
    if rule.remote_addresses is not None:
        return [f"{end} == ${_addresses_name(rule.remote_addresses, family)}"]
    if rule.remote_cidr is None:
        return []
    network = ipaddress.ip_network(rule.remote_cidr, strict=False)
    return [f"{end} == {network}"] if network.prefixlen else []


def _protocol(rule: RuleSpec) -> list[str]:
    if rule.protocol is None or rule.protocol == "any":
        return []
    number = NUMBERS[rule.protocol] if rule.protocol in NUMBERS else int(rule.protocol)
    if number == 0:
        # `ip` and `hopopt`, as the network API has them: any protocol.
        return []
    if number in (1, 58):
        # "icmp" in a rule for IPv6 means the ICMP of IPv6.
        return _icmp(rule, "icmp4" if rule.ip_version == 4 else "icmp6")
    if number not in _WITH_PORTS:
        return [f"ip.proto == {number}"]
    name = _WITH_PORTS[number]
    if rule.port_min is None:
        return [name]
    last = rule.port_min if rule.port_max is None else rule.port_max
    if rule.port_min == last:
        return [name, f"{name}.dst == {last}"]
    return [name, f"{name}.dst >= {rule.port_min}", f"{name}.dst <= {last}"]


def _icmp(rule: RuleSpec, name: str) -> list[str]:
    type_ = [f"{name}.type == {rule.port_min}"] if rule.port_min is not None else []
    code = [f"{name}.code == {rule.port_max}"] if rule.port_max is not None else []
    return [name, *type_, *code]
