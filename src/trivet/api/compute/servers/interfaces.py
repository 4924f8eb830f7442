"""/servers/{id}/os-interface: the ports that are plugged into a server."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute.servers.bodies import Tag
from trivet.api.compute.servers.servers import call_of, server_id, visible
from trivet.api.kit.bodies import Body, Since, Uuid, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.ports import Port
from trivet.domain.servers import plugs as server_plugs
from trivet.domain.servers.nics import NicWanted
from trivet.domain.servers.servers import Server
from trivet.errors import Invalid, NotFound

resource = Resource()
PATH = "/v2.1/servers/{server_id}/os-interface"


class Address(Body, frozen=True, kw_only=True):
    ip_address: str


class Attachment(Body, frozen=True, kw_only=True):
    net_id: Uuid | UnsetType = UNSET
    port_id: Uuid | UnsetType = UNSET
    fixed_ips: Annotated[list[Address], msgspec.Meta(min_length=1, max_length=1)] | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, Since("2.49")] = UNSET


class AttachBody(Body, frozen=True, kw_only=True):
    interface: Attachment = msgspec.field(name="interfaceAttachment", default_factory=Attachment)


@resource.on("GET", PATH, may="reader")
async def list_interfaces(request: Request) -> Reply:
    server = await visible(request)
    found = await ports.of_server(request.tx, server.id, server.project_id)
    return Reply(200, {"interfaceAttachments": [_view(request, server, port) for port in found]})


@resource.on("GET", PATH + "/{port_id}", may="reader")
async def show(request: Request) -> Reply:
    server = await visible(request)
    port = await server_plugs.plugged(request.tx, server, request.values["port_id"])
    return Reply(200, {"interfaceAttachment": _view(request, server, port)})


@resource.on("POST", PATH, may="member")
async def attach(request: Request) -> Reply:
    said = request.read(AttachBody).interface if request.body else Attachment()
    if said.net_id is not UNSET and said.port_id is not UNSET:
        raise Invalid("interface.two_ways", "Must not input both network_id and port_id")
    if said.fixed_ips is not UNSET and said.net_id is UNSET:
        raise Invalid("interface.network_needed", "Must input network_id when request IP address")
    wanted = NicWanted(
        network_id=or_none(said.net_id),
        port_id=or_none(said.port_id),
        fixed_ip=None if said.fixed_ips is UNSET else said.fixed_ips[0].ip_address,
        tag=or_none(said.tag),
    )
    try:
        server, port = await server_plugs.attach(request.tx, call_of(request), server_id(request), wanted)
    except Invalid as error:
        if error.code in ("network.absent", "port.absent"):
            raise NotFound(error.code, error.message) from error
        raise
    return Reply(200, {"interfaceAttachment": _view(request, server, port)})


@resource.on("DELETE", PATH + "/{port_id}", may="member")
async def detach(request: Request) -> Reply:
    await server_plugs.detach(request.tx, call_of(request), server_id(request), request.values["port_id"])
    return Reply(202)


def _view(request: Request, server: Server, port: Port) -> dict[str, Any]:
    view: dict[str, Any] = {
        "net_id": port.network_id,
        "port_id": port.id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [{"subnet_id": ip.subnet_id, "ip_address": ip.ip_address} for ip in port.fixed_ips],
    }
    if request.version >= 2070:
        view["tag"] = server.nic_tags.get(port.id)
    return view
