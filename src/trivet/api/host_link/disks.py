"""Disks of servers that move: out of the host that one leaves, and into the one where it arrives."""

from trivet.api.host_link import door
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.host_link import access as agent_access
from trivet.domain.servers import moved_disks
from trivet.domain.servers.servers import Server
from trivet.errors import NotFound
from trivet.store.tx import Tx

resource = Resource()
_PATH = "/servers/{server_id}/disks/{name}"


@resource.on("PUT", _PATH, may="host", tx="none", stream=True)
async def hand_over(request: Request) -> Reply:
    async def admit(tx: Tx) -> Server:
        host, _ = await door.changing(tx, request)
        return await agent_access.server(tx, host, request.values["server_id"])

    name, format = request.values["name"], request.asked("format") or ""
    await moved_disks.take_in(request.parts, admit, name, format, request.stream())
    return Reply(204)


@resource.on("GET", _PATH, may="host", tx="none")
async def take(request: Request) -> Reply:
    """The bytes that an order named (`key`), with the digest that they must have."""
    key = request.asked("key") or ""
    async with request.parts.store.read() as tx:
        host = await door.looking(tx, request)
        server = await agent_access.server(tx, host, request.values["server_id"])
        disk = moved_disks.coming(server, request.values["name"], key)
    size = await request.parts.blobs.size(disk.key)
    if size is None:
        raise NotFound("move.lost_bytes", f"The disk of server {server.id} is gone from this cloud's store.")
    headers = [(b"x-trivet-sha512", (disk.sha512 or "").encode()), (b"content-length", str(size).encode())]
    return Reply(200, request.parts.blobs.read(disk.key), headers)
