"""/v2.0/floatingip-pools, in both spellings: the IPv4 subnets of external networks, from which floating IPs come."""

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets.networks import NETWORKS
from trivet.domain.network.nets.subnets import SUBNETS
from trivet.store.where import Where

resource = Resource()


@resource.on("GET", "/v2.0/floatingip-pools", may="reader")
@resource.on("GET", "/v2.0/floatingip_pools", may="reader")
async def index(request: Request) -> Reply:
    where = rbac_policies.seen_by(request.caller, "network").equal("external", 1)
    networks = {network.id: network for network in await request.tx.select(NETWORKS, where)}
    inside = Where().any_of("network_id", sorted(networks)).equal("ip_version", 4)
    found = [
        {
            "subnet_id": subnet.id,
            "subnet_name": subnet.name,
            "cidr": subnet.cidr,
            "network_id": subnet.network_id,
            "network_name": networks[subnet.network_id].name,
            "project_id": subnet.project_id,
            "tenant_id": subnet.project_id,
        }
        for subnet in await request.tx.select(SUBNETS, inside, order="id")
    ]
    fields = lists.fields_of(request)
    return Reply(200, {"floatingip_pools": [lists.cut(pool, fields) for pool in found]})
