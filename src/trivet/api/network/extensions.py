"""/v2.0/extensions: what this service does beyond the core, and nothing that it does not."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network.collections import Json
from trivet.errors import NotFound

resource = Resource()

_UPDATED = "2026-01-01T00:00:00-00:00"

# Alias: name and what it means. Clients look some of them up by name, so the names are upstream's.
_EXTENSIONS: dict[str, tuple[str, str]] = {
    "address-group": ("Address group", "Named lists of blocks that security group rules point at."),
    "address-scope": ("Address scope", "Scopes in which an address means one thing."),
    "agent": ("agent", "The processes that do the network's work, host by host."),
    "allowed-address-pairs": ("Allowed Address Pairs", "Further addresses that a port may send from."),
    "auto-allocated-topology": (
        "Auto Allocated Topology Services",
        "A network, a subnet and a router for who has none.",
    ),
    "availability_zone": ("Availability Zone", "Zones that hosts are in."),
    "binding": ("Port Binding", "Where a port is plugged in, and how."),
    "default-subnetpools": ("Default Subnetpools", "A subnet pool for those who name none."),
    "empty-string-filtering": ("Empty String Filtering Extension", "Filters may ask for the empty string."),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "Routers without source NAT."),
    "external-net": ("Neutron external network", "Networks that lead out of the cloud."),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "DHCP options of one port."),
    "extraroute": ("Neutron Extra Route", "Routes of a router."),
    "extraroute-atomic": (
        "Atomically add/remove extra routes",
        "Adding and removing some routes of a router at a time.",
    ),
    "filter-validation": ("Filter parameters validation", "Unknown filters are refused."),
    "fip-port-details": ("Floating IP Port Details Extension", "Floating IPs show the port they lead to."),
    "floatingip-pools": ("Floating IP Pools Extension", "Subnets that floating IPs come from."),
    "ip-substring-filtering": ("IP address substring filtering", "Ports can be found by a part of their address."),
    "net-mtu": ("Network MTU", "Networks say their MTU."),
    "net-mtu-writable": ("Network MTU (writable)", "The MTU of a network can be changed."),
    "network-ip-availability": ("Network IP Availability", "How many addresses are left."),
    "network_availability_zone": ("Network Availability Zone", "Zones of networks."),
    "pagination": ("Pagination support", "Lists come in pages."),
    "port-mac-address-regenerate": ("Neutron Port MAC address regenerate", "A port can be given a new MAC address."),
    "port-security": ("Port Security", "Ports drop what they should not send, unless told otherwise."),
    "port-trusted-vif": ("Port trusted vif", "An operator says which ports' devices are trusted."),
    "project-id": ("project_id field enabled", "project_id, next to tenant_id."),
    "provider": ("Provider Network", "What carries a network."),
    "quota-check-limit": ("Quota engine limit check", "A limit can be refused when more is used already."),
    "quota-check-limit-default": ("Quota engine limit check by default", "So it is refused unless forced."),
    "quota_details": ("Quota details management support", "What of a limit is used."),
    "quotas": ("Quota management support", "Limits of projects."),
    "rbac-address-group": ("Add address_group type to RBAC", "Sharing address groups."),
    "rbac-address-scope": ("Add address_scope type to RBAC", "Sharing address scopes."),
    "rbac-policies": ("RBAC Policies", "Sharing with some projects, or with all."),
    "rbac-security-groups": ("Add security_group type to network RBAC", "Sharing security groups."),
    "rbac-subnetpool": ("Add subnetpool type to RBAC", "Sharing subnet pools."),
    "revision-if-match": (
        "If-Match constraints based on revision_number",
        "Changes that depend on nothing having changed since.",
    ),
    "router": ("Neutron L3 Router", "Routers, with gateways, interfaces and floating IPs."),
    "router_availability_zone": ("Router Availability Zone", "Zones of routers."),
    "security-group": ("security-group", "Groups of rules that ports obey."),
    "security-groups-normalized-cidr": (
        "Normalized CIDR field for security group rules",
        "Rules show their block in its shortest spelling.",
    ),
    "security-groups-remote-address-group": (
        "Remote address group id field for security group rules",
        "Rules that point at an address group.",
    ),
    "security-groups-shared-filtering": (
        "Security group filtering on the shared field",
        "Security groups can be found by whether they are shared.",
    ),
    "security-groups-default-rules": ("Default rules for security groups", "What new security groups begin with."),
    "service-type": ("Neutron Service Type Management", "Who provides a service."),
    "sorting": ("Sorting support", "Lists come in the order that was asked for."),
    "standard-attr-description": ("standard-attr-description", "Everything has a description."),
    "standard-attr-revisions": ("Resource revision numbers", "Everything counts its changes."),
    "standard-attr-tag": ("Tag support for resources with standard attribute", "Tags."),
    "standard-attr-timestamp": ("Resource timestamps", "Everything says when it was made and changed."),
    "stateful-security-group": ("Stateful security group", "Security groups that track connections, or do not."),
    "subnet-dns-publish-fixed-ip": ("Subnet DNS publish fixed IP", "Subnets whose fixed addresses are published."),
    "subnet-service-types": ("Subnet service types", "Subnets for some kinds of ports only."),
    "subnet_allocation": ("Subnet Allocation", "Subnets cut from pools."),
    "subnetpool-prefix-ops": (
        "Subnet Pool Prefix Operations",
        "Adding and removing some prefixes of a pool at a time.",
    ),
    "tag-creation": ("Add multiple tags at once", "Adding some tags to those that are there."),
    "tag-ports-during-bulk-creation": ("Tag Ports During Bulk Creation", "Ports can be made with their tags."),
}


def _view(alias: str) -> Json:
    name, description = _EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": description, "updated": _UPDATED, "links": []}


@resource.on("GET", "/v2.0/extensions", may="public", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {"extensions": [_view(alias) for alias in _EXTENSIONS]})


@resource.on("GET", "/v2.0/extensions/{alias}", may="public", tx="none")
async def show(request: Request) -> Reply:
    alias = request.values["alias"]
    if alias not in _EXTENSIONS:
        raise NotFound("extension.absent", f"Extension with alias {alias[:64]} does not exist")
    return Reply(200, {"extension": _view(alias)})
