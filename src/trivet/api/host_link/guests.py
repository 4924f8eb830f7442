"""What is known of the host's own servers: their files, their metadata, and questions about their consoles."""

from trivet.api.host_link import door
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.host_link import access as agent_access
from trivet.domain.host_link.words import ConsoleAnswer, ConsoleQuestion, GuestPassword
from trivet.domain.servers import console_output
from trivet.domain.servers import metadata as instance_metadata
from trivet.errors import Invalid

resource = Resource()


@resource.on("GET", "/servers/{server_id}/files", may="host")
async def files(request: Request) -> Reply:
    host = await door.looking(request.tx, request)
    server = await agent_access.server(request.tx, host, request.values["server_id"])
    return Reply(200, await instance_metadata.files(request.tx, server.id, request.parts.secrets))


@resource.on("GET", "/metadata", may="host")
async def metadata(request: Request) -> Reply:
    """Nothing for an address that no server of the host has."""
    host = await door.looking(request.tx, request)
    network_id, ip = _asked(request, "network_id"), _asked(request, "ip")
    if not await agent_access.server_at(request.tx, host, network_id, ip):
        return Reply(200, {})
    return Reply(200, await instance_metadata.at(request.tx, network_id, ip, request.parts.secrets) or {})


@resource.on("POST", "/metadata/password", may="host")
async def keep_password(request: Request) -> Reply:
    host, _ = await door.changing(request.tx, request)
    said = request.read(GuestPassword)
    kept = await agent_access.server_at(
        request.tx, host, said.network_id, said.ip
    ) and await instance_metadata.keep_password(request.tx, said.network_id, said.ip, said.password)
    return Reply(200, {"kept": kept})


@resource.on("GET", "/console-reads", may="host")
async def console_reads(request: Request) -> Reply:
    host = await door.looking(request.tx, request)
    waiting = await console_output.waiting(request.tx, [host.id])
    return Reply(200, [ConsoleQuestion(each.id, each.server_id, each.kind, each.limit_bytes) for each in waiting])


@resource.on("POST", "/console-reads/{read_id}", may="host")
async def answer(request: Request) -> Reply:
    host, _ = await door.changing(request.tx, request)
    read = await agent_access.console_read(request.tx, host, request.values["read_id"])
    said = request.read(ConsoleAnswer)
    output = said.output[-read.limit_bytes :] if said.output is not None else None
    await console_output.answer(request.tx, read.id, output=output, error=said.error)
    return Reply(204)


def _asked(request: Request, name: str) -> str:
    value = request.asked(name)
    if not value:
        raise Invalid("query.invalid", f"{name} must be given.")
    return value
