"""/servers/{id}/ips: the addresses alone, by network."""

from trivet.api.compute.servers.servers import visible
from trivet.api.compute.servers.views import addresses
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import addresses as server_addresses
from trivet.domain.servers.addresses import NOTHING
from trivet.errors import NotFound

resource = Resource()


@resource.on("GET", "/v2.1/servers/{server_id}/ips", may="reader")
async def list_addresses(request: Request) -> Reply:
    return Reply(200, {"addresses": await _addresses(request)})


@resource.on("GET", "/v2.1/servers/{server_id}/ips/{network}", may="reader")
async def show_network(request: Request) -> Reply:
    found, name = await _addresses(request), request.values["network"]
    if name not in found:
        raise NotFound("network.absent", "Instance is not a member of specified network")
    return Reply(200, {name: found[name]})


async def _addresses(request: Request) -> dict[str, object]:
    server = await visible(request)
    connected = await server_addresses.of(request.tx, (server.id,))
    return addresses(connected.get(server.id, NOTHING), extended=False)
