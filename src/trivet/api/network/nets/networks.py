"""/v2.0/networks"""

from collections.abc import Sequence
from functools import partial

from msgspec import UNSET, UnsetType, field

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.api.network.granted import SHARED_FIRST, by_sharing, shared_of
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.routers import floating_ips
from trivet.domain.network.words import Number, Text
from trivet.settings import PUBLIC
from trivet.store.where import Where

resource = Resource()


class NetworkIn(networks.NetworkCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET
    external: bool | UnsetType = field(default=UNSET, name="router:external")
    network_type: Text | UnsetType = field(default=UNSET, name="provider:network_type")
    physical_network: Text | UnsetType | None = field(default=UNSET, name="provider:physical_network")
    segmentation_id: Number | UnsetType | None = field(default=UNSET, name="provider:segmentation_id")


class NetworkChange(networks.NetworkUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    external: bool | UnsetType = field(default=UNSET, name="router:external")
    network_type: Text | UnsetType = field(default=UNSET, name="provider:network_type")
    physical_network: Text | UnsetType | None = field(default=UNSET, name="provider:physical_network")
    segmentation_id: Number | UnsetType | None = field(default=UNSET, name="provider:segmentation_id")


async def show_all(request: Request, found: Sequence[Network]) -> list[Json]:
    shared = await shared_of(request, "network", found)
    operator = request.caller.may_see(None)
    return [_view(network, shared=network.id in shared, operator=operator) for network in found]


def _view(network: Network, *, shared: bool, operator: bool) -> Json:
    shown: Json = {
        "id": network.id,
        "name": network.name,
        "admin_state_up": network.admin_state_up,
        "status": "ACTIVE",
        "subnets": network.subnets,
        "shared": shared,
        "router:external": network.external,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security_enabled,
        "availability_zone_hints": network.availability_zone_hints,
        "availability_zones": (DEFAULT_ZONE,) if network.subnets else (),
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "is_default": network.is_default,
        "dns_domain": network.dns_domain,
        **bodies.standard(network),
    }
    if operator:
        shown |= {
            "provider:network_type": network.network_type,
            "provider:physical_network": network.physical_network,
            "provider:segmentation_id": network.segmentation_id,
        }
    return shown


COLLECTION = Collection(
    NETWORKS,
    "network",
    "networks",
    show_all,
    text=("provider:network_type", "provider:physical_network", "dns_domain", "availability_zone_hints"),
    flags=("admin_state_up", "router:external", "is_default", "port_security_enabled"),
    numbers=("mtu", "provider:segmentation_id"),
    named={
        "router:external": "external",
        "provider:network_type": "network_type",
        "provider:physical_network": "physical_network",
        "provider:segmentation_id": "segmentation_id",
    },
    special={
        "shared": by_sharing("network"),
        "status": lambda request, where, values: None if "ACTIVE" in values else _nothing(where),
    },
    sorts={
        "shared": SHARED_FIRST.format(kind="network", id="networks.id"),
        # All of them are; a constant alone is refused by one of the databases.
        "status": "CASE WHEN 1 = 1 THEN 'ACTIVE' END",
    },
    for_operators=("provider:network_type", "provider:physical_network", "provider:segmentation_id"),
)


def _nothing(where: Where) -> None:
    where.add("1 = 0")


@resource.on("GET", "/v2.0/networks", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac_policies.seen_by(request.caller, "network"))


@resource.on("POST", "/v2.0/networks", may="member", body_max=LONG_BODY_MAX)
async def create(request: Request) -> Reply:
    known = (PUBLIC, *request.parts.settings.physical)
    make = partial(networks.create, physical_networks=known)
    return await COLLECTION.create(request, NetworkIn, make, networks.before_several)


@resource.on("GET", "/v2.0/networks/{network_id}", may="reader")
async def show(request: Request) -> Reply:
    network = await networks.visible(request.tx, request.caller, request.values["network_id"])
    return await COLLECTION.one(request, network)


@resource.on("PUT", "/v2.0/networks/{network_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, NetworkChange, "network")
    network = await networks.own(request.tx, request.caller, request.values["network_id"], "update_network")
    bodies.matching(request, network)
    return await COLLECTION.one(request, await networks.update(request.tx, request.caller, network, wanted))


@resource.on("DELETE", "/v2.0/networks/{network_id}", may="member")
async def delete(request: Request) -> Reply:
    network = await networks.own(request.tx, request.caller, request.values["network_id"], "delete_network")
    bodies.matching(request, network)
    await floating_ips.drop_unused(request.tx, network.id)
    await networks.delete(request.tx, network)
    return Reply(204)
