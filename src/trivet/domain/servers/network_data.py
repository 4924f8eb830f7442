"""network_data.json: a server's network interfaces as cloud-init and its kin read them.

Three lists that refer to each other by id: links (the interfaces), networks (addresses on a link) and
services (name servers).
"""

from ipaddress import IPv4Network, IPv6Network

import msgspec

from trivet.domain.network.addresses import network_of
from trivet.domain.network.nets.subnets import Subnet
from trivet.domain.network.ports.ports import Port

_V6_TYPES = {
    "slaac": "ipv6_slaac",
    "dhcpv6-stateful": "ipv6_dhcpv6-stateful",
    "dhcpv6-stateless": "ipv6_dhcpv6-stateless",
}


class Interface(msgspec.Struct, frozen=True):
    port: Port
    mtu: int
    subnets: dict[str, Subnet]
    """The subnets of the port's addresses, by id."""
    public_ips: tuple[str, ...] = ()


def network_data(interfaces: list[Interface]) -> dict[str, object]:
    links: list[object] = []
    networks: list[object] = []
    services: list[dict[str, str]] = []
    for interface in interfaces:
        port = interface.port
        link = f"tap{port.id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": port.id,
                "type": "phy" if port.vnic_type == "baremetal" else "ovs",
                "mtu": interface.mtu,
                "ethernet_mac_address": port.mac_address,
            }
        )
        for fixed in port.fixed_ips:
            subnet = interface.subnets.get(fixed.subnet_id)
            if subnet is not None:
                networks.append({"id": f"network{len(networks)}", "link": link, **_network(subnet, fixed.ip_address)})
                found = [{"type": "dns", "address": address} for address in subnet.dns_nameservers]
                services += [service for service in found if service not in services]
    return {"links": links, "networks": networks, "services": services}


def _network(subnet: Subnet, ip_address: str) -> dict[str, object]:
    said: dict[str, object] = {"network_id": subnet.network_id}
    if subnet.ip_version == 6 and subnet.ipv6_address_mode in _V6_TYPES:
        kind = _V6_TYPES[subnet.ipv6_address_mode]
    elif subnet.ip_version == 4 and subnet.enable_dhcp:
        return said | {"type": "ipv4_dhcp"}
    else:
        kind = f"ipv{subnet.ip_version}"
    block = network_of(subnet.cidr)
    return said | {
        "type": kind,
        "ip_address": ip_address,
        "netmask": str(block.netmask),
        "routes": _routes(subnet, block),
        "services": [{"type": "dns", "address": address} for address in subnet.dns_nameservers],
    }


def _routes(subnet: Subnet, block: IPv4Network | IPv6Network) -> list[object]:
    anywhere = str(type(block.network_address)(0))
    routes = []
    if subnet.gateway_ip is not None:
        routes.append({"network": anywhere, "netmask": anywhere, "gateway": subnet.gateway_ip})
    for route in subnet.host_routes:
        target = network_of(route.destination)
        routes.append(
            {"network": str(target.network_address), "netmask": str(target.netmask), "gateway": route.nexthop}
        )
    return list[object](routes)
