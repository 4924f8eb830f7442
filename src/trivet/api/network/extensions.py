"""/v2.0/extensions: what this service does beyond the core, and nothing that it does not."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network.listing import Json
from trivet.errors import NotFound

resource = Resource()

_UPDATED = "2026-01-01T00:00:00-00:00"

_EXTENSIONS = {
    "address-group": "Named lists of blocks that security group rules point at.",
    "address-scope": "Scopes in which an address means one thing.",
    "agent": "The processes that do the network's work, host by host.",
    "allowed-address-pairs": "Further addresses that a port may send from.",
    "auto-allocated-topology": "A network, a subnet and a router for who has none.",
    "availability_zone": "Zones that hosts are in.",
    "binding": "Where a port is plugged in, and how.",
    "default-subnetpools": "A subnet pool for those who name none.",
    "empty-string-filtering": "Filters may ask for the empty string.",
    "ext-gw-mode": "Routers without source NAT.",
    "external-net": "Networks that lead out of the cloud.",
    "extra_dhcp_opt": "DHCP options of one port.",
    "extraroute": "Routes of a router.",
    "extraroute-atomic": "Adding and removing some routes of a router at a time.",
    "filter-validation": "Unknown filters are refused.",
    "fip-port-details": "Floating IPs show the port they lead to.",
    "ip-substring-filtering": "Ports can be found by a part of their address.",
    "net-mtu": "Networks say their MTU.",
    "net-mtu-writable": "The MTU of a network can be changed.",
    "network-ip-availability": "How many addresses are left.",
    "network_availability_zone": "Zones of networks.",
    "pagination": "Lists come in pages.",
    "port-mac-address-regenerate": "A port can be given a new MAC address.",
    "port-security": "Ports drop what they should not send, unless told otherwise.",
    "project-id": "project_id, next to tenant_id.",
    "provider": "What carries a network.",
    "quota-check-limit": "A limit can be refused when more is used already.",
    "quota_details": "What of a limit is used.",
    "quotas": "Limits of projects.",
    "rbac-address-group": "Sharing address groups.",
    "rbac-address-scope": "Sharing address scopes.",
    "rbac-policies": "Sharing with some projects, or with all.",
    "rbac-security-groups": "Sharing security groups.",
    "rbac-subnetpool": "Sharing subnet pools.",
    "revision-if-match": "Changes that depend on nothing having changed since.",
    "router": "Routers, with gateways, interfaces and floating IPs.",
    "router_availability_zone": "Zones of routers.",
    "security-group": "Groups of rules that ports obey.",
    "security-groups-normalized-cidr": "Rules show their block in its shortest spelling.",
    "security-groups-remote-address-group": "Rules that point at an address group.",
    "security-groups-shared-filtering": "Security groups can be found by whether they are shared.",
    "service-type": "Who provides a service.",
    "sorting": "Lists come in the order that was asked for.",
    "standard-attr-description": "Everything has a description.",
    "standard-attr-revisions": "Everything counts its changes.",
    "standard-attr-tag": "Tags.",
    "standard-attr-timestamp": "Everything says when it was made and changed.",
    "stateful-security-group": "Security groups that track connections, or do not.",
    "subnet-dns-publish-fixed-ip": "Subnets whose fixed addresses are published.",
    "subnet-service-types": "Subnets for some kinds of ports only.",
    "subnet_allocation": "Subnets cut from pools.",
    "subnetpool-prefix-ops": "Adding and removing some prefixes of a pool at a time.",
    "tag-ports-during-bulk-creation": "Ports can be made with their tags.",
}


def _view(alias: str) -> Json:
    name = alias.replace("-", " ").replace("_", " ").capitalize()
    return {"alias": alias, "name": name, "description": _EXTENSIONS[alias], "updated": _UPDATED, "links": []}


@resource.on("GET", "/v2.0/extensions", may="public", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {"extensions": [_view(alias) for alias in _EXTENSIONS]})


@resource.on("GET", "/v2.0/extensions/{alias}", may="public", tx="none")
async def show(request: Request) -> Reply:
    alias = request.values["alias"]
    if alias not in _EXTENSIONS:
        raise NotFound("extension.absent", f"Extension with alias {alias[:64]} does not exist")
    return Reply(200, {"extension": _view(alias)})
