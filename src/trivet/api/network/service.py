"""The network service, and how it says no: {"NeutronError": {"type", "message", "detail"}}.

Clients of this API tell errors apart by `type`, which is the name of an exception upstream. It follows from
our code (`network.in_use` is NetworkInUse); where upstream's name is another one, it is listed here.
"""

from trivet.api.kit.service import Service
from trivet.domain.network.limits import LIMITS
from trivet.errors import TrivetError

_TYPES = {
    "address.exhausted": "IpAddressGenerationFailure",
    "address.in_use": "IpAddressAlreadyAllocated",
    "address.invalid": "HTTPBadRequest",
    "address.none_for_service": "IpAddressGenerationFailureNoMatchingSubnet",
    "address.self_addressed": "AllocationOnAutoAddressSubnet",
    "address.subnet_elsewhere": "InvalidInput",
    "address.unsaid": "InvalidInput",
    "address.wrong_network": "InvalidIpForNetwork",
    "address.wrong_subnet": "InvalidIpForSubnet",
    "address_group.present": "AddressesAlreadyExist",
    "address_scope.prefix_conflict": "AddressScopePrefixConflict",
    "addresses.absent": "AddressesNotFound",
    "auto_topology.absent": "AutoAllocatedTopologyNotFound",
    "auto_topology.impossible": "AutoAllocationFailure",
    "body.invalid": "HTTPBadRequest",
    "body.malformed": "HTTPBadRequest",
    "floating_ip.absent": "FloatingIPNotFound",
    "floating_ip.bad": "BadRequest",
    "floating_ip.port_taken": "FloatingIPPortAlreadyAssociated",
    "floating_ip.unreachable": "ExternalGatewayForFloatingIPNotFound",
    "network.default_exists": "DefaultExternalNetworkExists",
    "network.external_in_use": "ExternalNetworkInUse",
    "network.flat_in_use": "FlatNetworkInUse",
    "network.geneve_in_use": "TunnelIdInUse",
    "network.mtu_conflict": "NetworkMTUSubnetConflict",
    "network.mtu": "InvalidInput",
    "network.type": "InvalidInput",
    "network.vxlan_in_use": "TunnelIdInUse",
    "network.none_available": "NoNetworkAvailable",
    "network.provider_fixed": "InvalidInput",
    "network.shared_in_use": "InvalidSharedSetting",
    "network.subnet_pool_affinity": "NetworkSubnetPoolAffinityError",
    "network.vlan_in_use": "VlanIdInUse",
    "policy.forbidden": "PolicyNotAuthorized",
    "port.bound": "PortBound",
    "port.device_foreign": "DeviceIDNotOwnedByTenant",
    "port.mac": "HTTPBadRequest",
    "port.mac_in_use": "MacAddressInUse",
    "port.of_service": "ServicePortInUse",
    "port.pairs_insecure": "AddressPairAndPortSecurityRequired",
    "port.pairs_many": "AddressPairsExhausted",
    "port.pairs_twice": "DuplicateAddressPairInRequest",
    "port.security_needed": "PortSecurityAndIPRequiredForSecurityGroups",
    "quota.exceeded": "OverQuota",
    "rbac_policy.impossible": "RbacPolicyInitError",
    "rbac_policy.foreign": "InvalidInput",
    "rbac_policy.exists": "DuplicateRbacPolicy",
    "revision.mismatch": "RevisionNumberConstraintFailed",
    "route.absent": "HTTPNotFound",
    "router.bad": "BadRequest",
    "router.gateway_in_use": "RouterExternalGatewayInUseByFloatingIp",
    "router.routes": "InvalidRoutes",
    "router_interface.absent": "RouterInterfaceNotFound",
    "router_interface.absent_for_subnet": "RouterInterfaceNotFoundForSubnet",
    "router_interface.in_use": "RouterInterfaceInUseByFloatingIP",
    "router_interface.in_use_by_route": "RouterInterfaceInUseByRoute",
    "security_group.conflict": "SecurityGroupConflict",
    "security_group.default_exists": "SecurityGroupDefaultAlreadyExists",
    "security_group.default_fixed": "SecurityGroupCannotUpdateDefault",
    "security_group.default_stays": "SecurityGroupCannotRemoveDefault",
    "security_group_rule.conflict": "SecurityGroupRuleParameterConflict",
    "security_group_rule.ethertype": "SecurityGroupRuleInvalidEtherType",
    "security_group_rule.ethertype_conflict": "SecurityGroupEthertypeConflictWithProtocol",
    "security_group_rule.icmp": "SecurityGroupInvalidIcmpValue",
    "security_group_rule.icmp_type": "SecurityGroupMissingIcmpType",
    "security_group_rule.ports": "SecurityGroupInvalidPortRange",
    "security_group_rule.protocol": "SecurityGroupRuleInvalidProtocol",
    "security_group_rule.protocol_missing": "SecurityGroupProtocolRequiredWithPorts",
    "security_group_rule.remotes": "SecurityGroupMultipleRemoteEntites",
    "subnet.allocation": "SubnetAllocationError",
    "subnet.gateway": "InvalidInput",
    "subnet.gateway_in_pool": "GatewayConflictWithAllocationPools",
    "subnet.gateway_in_use": "GatewayIpInUse",
    "subnet.invalid": "InvalidInput",
    "subnet.overlap": "InvalidInput",
    "subnet.pool_invalid": "InvalidAllocationPool",
    "subnet.pool_outside": "OutOfBoundsAllocationPool",
    "subnet.pools_overlap": "OverlappingAllocationPools",
    "subnet.port_mismatch": "SubnetMismatchForPort",
    "subnetpool.absent": "SubnetPoolNotFound",
    "subnetpool.address_scope": "IllegalSubnetPoolAssociationToAddressScope",
    "subnetpool.default_exists": "InvalidInput",
    "subnetpool.in_use": "SubnetPoolInUse",
    "subnetpool.prefix_bounds": "IllegalSubnetPoolPrefixBounds",
    "subnetpool.prefix_large": "MaxPrefixSubnetAllocationError",
    "subnetpool.prefix_small": "MinPrefixSubnetAllocationError",
    "subnetpool.prefixes": "IllegalSubnetPoolPrefixUpdate",
    "subnetpool.quota": "SubnetPoolQuotaExceeded",
    "tag.absent": "TagNotFound",
}
_ENDINGS = {"absent": "NotFound", "in_use": "InUse", "exists": "Exists"}


def type_of(error: TrivetError) -> str:
    known = _TYPES.get(error.code)
    if known is not None:
        return known
    noun, _, what = error.code.partition(".")
    ending = _ENDINGS.get(what)
    if ending is None:
        return {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "HTTPNotFound", 409: "Conflict"}.get(
            error.http_status, "HTTPInternalServerError" if error.http_status >= 500 else "BadRequest"
        )
    return "".join(word.capitalize() for word in noun.split("_")) + ending


def error_body(error: TrivetError, request_id: str) -> object:
    return {"NeutronError": {"type": type_of(error), "message": error.message, "detail": ""}}


_NOT_OFFERED = {
    "/v2.0/bgp-peers": "BGP",
    "/v2.0/bgp-speakers": "BGP",
    "/v2.0/bgpvpn": "BGP VPNs",
    "/v2.0/flavors": "flavors of network services",
    "/v2.0/fwaas": "firewalls (use security groups)",
    "/v2.0/lbaas": "load balancers",
    "/v2.0/local_ips": "local IPs",
    "/v2.0/log": "logs of packets",
    "/v2.0/metering": "metering of traffic",
    "/v2.0/ndp_proxies": "NDP proxies",
    "/v2.0/network-segment-ranges": "ranges of network segments",
    "/v2.0/network_segment_ranges": "ranges of network segments",
    "/v2.0/qos": "network quality of service",
    "/v2.0/segments": "network segments",
    "/v2.0/service_profiles": "flavors of network services",
    "/v2.0/sfc": "service function chains",
    "/v2.0/taas": "taps",
    "/v2.0/trunks": "trunk ports",
    "/v2.0/vpn": "VPNs",
}


SERVICE = Service(
    package="trivet.api.network",
    name="neutron",
    types=("network",),
    prefix="/network",
    catalog_path="",
    error_body=error_body,
    not_offered=_NOT_OFFERED,
    limits=LIMITS,
)
