"""/v2.0/subnets"""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.api.network.granted import SHARED_FIRST, by_sharing
from trivet.domain.network.nets import subnets
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.domain.network.routers import gateways
from trivet.domain.network.words import Text

resource = Resource()


class SubnetIn(subnets.SubnetCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class SubnetChange(subnets.SubnetUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


async def show_all(request: Request, found: Sequence[Subnet]) -> list[Json]:
    return [_view(subnet) for subnet in found]


def _view(subnet: Subnet) -> Json:
    return {
        "id": subnet.id,
        "name": subnet.name,
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "ipv6_address_mode": subnet.ipv6_address_mode,
        "allocation_pools": subnet.allocation_pools,
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": subnet.host_routes,
        "service_types": subnet.service_types,
        "subnetpool_id": subnet.subnetpool_id,
        "segment_id": subnet.segment_id,
        "dns_publish_fixed_ip": subnet.dns_publish_fixed_ip,
        **bodies.standard(subnet),
    }


COLLECTION = Collection(
    SUBNETS,
    "subnet",
    "subnets",
    show_all,
    text=(
        "network_id",
        "cidr",
        "gateway_ip",
        "ipv6_ra_mode",
        "ipv6_address_mode",
        "subnetpool_id",
        "segment_id",
    ),
    flags=("enable_dhcp", "dns_publish_fixed_ip"),
    numbers=("ip_version",),
    special={"shared": by_sharing("network", "network_id")},
    sorts={"shared": SHARED_FIRST.format(kind="network", id="subnets.network_id")},
)


@resource.on("GET", "/v2.0/subnets", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, subnets.seen_by(request.caller))


@resource.on("POST", "/v2.0/subnets", may="member", body_max=LONG_BODY_MAX)
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, SubnetIn, gateways.create_subnet, subnets.before_several)


@resource.on("GET", "/v2.0/subnets/{subnet_id}", may="reader")
async def show(request: Request) -> Reply:
    return await COLLECTION.one(request, await subnets.visible(request.tx, request.caller, request.values["subnet_id"]))


@resource.on("PUT", "/v2.0/subnets/{subnet_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, SubnetChange, "subnet")
    subnet = await subnets.own(request.tx, request.caller, request.values["subnet_id"], "update_subnet")
    bodies.matching(request, subnet)
    return await COLLECTION.one(request, await subnets.update(request.tx, request.caller, subnet, wanted))


@resource.on("DELETE", "/v2.0/subnets/{subnet_id}", may="member")
async def delete(request: Request) -> Reply:
    subnet = await subnets.own(request.tx, request.caller, request.values["subnet_id"], "delete_subnet")
    bodies.matching(request, subnet)
    await subnets.delete(request.tx, subnet)
    return Reply(204)
