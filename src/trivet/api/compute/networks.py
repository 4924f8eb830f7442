"""/os-networks and /os-tenant-networks, until 2.35: which networks there are, in nova's words."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.errors import NotFound
from trivet.store.where import Where

resource = Resource()

_LAST = "2.35"
_OLD_FIELDS = (
    "bridge bridge_interface broadcast cidr cidr_v6 created_at deleted deleted_at dhcp_server dhcp_start dns1 dns2"
    " enable_dhcp gateway gateway_v6 host injected mtu multi_host netmask netmask_v6 priority project_id rxtx_base"
    " share_address updated_at vlan vpn_private_address vpn_public_address vpn_public_port"
)
"""What nova's own network had, and only operators saw; here all of it is empty."""


@resource.on("GET", "/v2.1/os-networks", may="reader", until=_LAST)
async def index(request: Request) -> Reply:
    return Reply(200, {"networks": [_shown(request, network) for network in await _mine(request)]})


@resource.on("GET", "/v2.1/os-networks/{network_id}", may="reader", until=_LAST)
async def show(request: Request) -> Reply:
    return Reply(200, {"network": _shown(request, await _needed(request))})


@resource.on("GET", "/v2.1/os-tenant-networks", may="reader", until=_LAST)
async def index_of_tenant(request: Request) -> Reply:
    return Reply(200, {"networks": [_of_tenant(network) for network in await _mine(request)]})


@resource.on("GET", "/v2.1/os-tenant-networks/{network_id}", may="reader", until=_LAST)
async def show_of_tenant(request: Request) -> Reply:
    return Reply(200, {"network": _of_tenant(await _needed(request))})


async def _mine(request: Request) -> list[Network]:
    if request.caller.is_operator:
        return await request.tx.select(NETWORKS, Where(), order="created_at, id")
    return await networks.for_servers(request.tx, request.caller)


async def _needed(request: Request) -> Network:
    try:
        return await networks.visible(request.tx, request.caller, request.values["network_id"])
    except NotFound as error:
        raise NotFound(error.code, "Network not found") from error


def _shown(request: Request, network: Network) -> dict[str, Any]:
    view: dict[str, Any] = dict.fromkeys(_OLD_FIELDS.split()) if request.caller.is_operator else {}
    return view | {"id": network.id, "label": network.name}


def _of_tenant(network: Network) -> dict[str, Any]:
    return {"id": network.id, "label": network.name, "cidr": "None"}
