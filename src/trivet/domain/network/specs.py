"""Network specs: what an engine must make of our rows. Pure; the whole translation is here."""

from collections.abc import Mapping, Sequence

from trivet.domain.network.addresses import network_of, parsed
from trivet.domain.network.groups.address_groups import AddressGroup
from trivet.domain.network.groups.security_groups import SecurityGroup, SecurityGroupRule
from trivet.domain.network.nets.networks import Network
from trivet.domain.network.nets.subnets import Route, Subnet
from trivet.domain.network.ports.ports import CARD, Port
from trivet.domain.network.routers.floating_ips import FloatingIp
from trivet.domain.network.routers.routers import Router
from trivet.drivers.contracts.network import (
    AddressesSpec,
    FloatingSpec,
    GroupSpec,
    NetworkSpec,
    PortAddress,
    PortSpec,
    RouterPort,
    RouterSpec,
    RuleSpec,
    SubnetSpec,
)


def network_spec(network: Network, subnets: Sequence[Subnet], segments: Mapping[str, int] | None = None) -> NetworkSpec:
    """`segments`: physical network -> VLAN, of those that machines are cabled to."""
    return NetworkSpec(
        id=network.id,
        mtu=network.mtu,
        subnets=tuple(_subnet_spec(subnet) for subnet in subnets),
        physical=network.physical_network,
        vlan=network.segmentation_id if network.network_type == "vlan" else None,
        segments=tuple(
            (physical, vlan)
            for physical, vlan in sorted((segments or {}).items())
            if physical != network.physical_network
        ),
        metadata=not (network.external and network.physical_network) and any(subnet.enable_dhcp for subnet in subnets),
        up=network.admin_state_up,
    )


def _subnet_spec(subnet: Subnet) -> SubnetSpec:
    return SubnetSpec(
        id=subnet.id,
        cidr=subnet.cidr,
        ip_version=4 if subnet.ip_version == 4 else 6,
        gateway=subnet.gateway_ip,
        dhcp=subnet.enable_dhcp,
        dns=subnet.dns_nameservers,
        routes=_routes(subnet.host_routes),
        ipv6_mode=subnet.ipv6_address_mode or subnet.ipv6_ra_mode,
    )


def _routes(routes: Sequence[Route]) -> tuple[tuple[str, str], ...]:
    """Read anew: rows from before may hold texts that nobody read."""
    return tuple((str(network_of(route.destination)), str(parsed(route.nexthop))) for route in routes)


def is_plugged(port: Port) -> bool:
    """Something is, or can be, plugged into it; the ports of routers and floating IPs are parts of routers."""
    return not port.device_owner.startswith("network:")


def port_spec(port: Port) -> PortSpec:
    return PortSpec(
        id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        addresses=tuple(PortAddress(ip.subnet_id, ip.ip_address) for ip in port.fixed_ips),
        groups=port.security_groups,
        secure=port.port_security_enabled,
        allowed_pairs=tuple(
            (pair.mac_address or port.mac_address, str(network_of(pair.ip_address)))
            for pair in port.allowed_address_pairs
        ),
        up=port.admin_state_up,
        host=port.host_id,
        outside=port.vnic_type == CARD and port.host_id is not None,
    )


def addresses_spec(group: AddressGroup) -> AddressesSpec:
    return AddressesSpec(id=group.id, cidrs=tuple(str(network_of(block)) for block in group.addresses))


def group_spec(group: SecurityGroup, rules: Sequence[SecurityGroupRule]) -> GroupSpec:
    return GroupSpec(id=group.id, rules=tuple(map(_rule_spec, rules)), stateful=group.stateful)


def _rule_spec(rule: SecurityGroupRule) -> RuleSpec:
    return RuleSpec(
        id=rule.id,
        direction="ingress" if rule.direction == "ingress" else "egress",
        ip_version=4 if rule.ethertype == "IPv4" else 6,
        protocol=rule.protocol,
        port_min=rule.port_range_min,
        port_max=rule.port_range_max,
        remote_cidr=str(network_of(rule.remote_ip_prefix)) if rule.remote_ip_prefix else None,
        remote_group=rule.remote_group_id,
        remote_addresses=rule.remote_address_group_id,
    )


def router_spec(
    router: Router,
    legs: Sequence[Port],
    gateway: Port | None,
    subnets: Mapping[str, Subnet],
    floating: Sequence[FloatingIp],
) -> RouterSpec:
    """The way out is the external subnet's own gateway, which somebody outside answers for. A gateway that has no
    address yet leads nowhere."""
    gateway = gateway if gateway is not None and gateway.fixed_ips else None
    snat = router.gateway.enable_snat if router.gateway is not None else False
    return RouterSpec(
        id=router.id,
        up=router.admin_state_up,
        interfaces=tuple(_router_port(port, subnets) for port in legs),
        gateway=_router_port(gateway, subnets) if gateway is not None else None,
        gateway_next_hop=_next_hop(gateway, subnets) if gateway is not None else None,
        snat=snat,
        floating=tuple(
            FloatingSpec(
                id=each.id,
                floating_ip=each.floating_ip_address,
                fixed_ip=each.fixed_ip_address,
                port_id=each.port_id,
            )
            for each in floating
            if gateway is not None and each.port_id is not None and each.fixed_ip_address is not None
        ),
        routes=_routes(router.routes),
    )


def _router_port(port: Port, subnets: Mapping[str, Subnet]) -> RouterPort:
    on = [ip for ip in port.fixed_ips if ip.subnet_id in subnets]
    return RouterPort(
        port_id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        announces=any(subnets[ip.subnet_id].gateway_ip == ip.ip_address for ip in on),
        cidrs=tuple(f"{ip.ip_address}/{network_of(subnets[ip.subnet_id].cidr).prefixlen}" for ip in on),
    )


def _next_hop(gateway: Port, subnets: Mapping[str, Subnet]) -> str | None:
    on = [subnets[ip.subnet_id] for ip in gateway.fixed_ips if ip.subnet_id in subnets]
    hops = [subnet.gateway_ip for subnet in sorted(on, key=lambda subnet: subnet.ip_version) if subnet.gateway_ip]
    return hops[0] if hops else None
