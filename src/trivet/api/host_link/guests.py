"""What is known of the host's own servers: their files, their metadata, and questions about their consoles."""

from trivet.api.host_link import door
from trivet.api.kit import bodies
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.host_link import access as agent_access
from trivet.domain.host_link.words import ConsoleAnswer, ConsoleQuestion, GuestPassword
from trivet.domain.servers import console_output
from trivet.domain.servers import metadata as instance_metadata
from trivet.drivers.contracts.container import ARCHIVE_MAX
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

_ANSWER_MAX = 4 * ARCHIVE_MAX
"""An archive, as text in what is itself sent as text."""

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
    asked = [ConsoleQuestion(each.id, each.server_id, each.kind, each.limit_bytes, each.question) for each in waiting]
    return Reply(200, asked)


@resource.on("POST", "/console-reads/{read_id}", may="host", tx="none", stream=True)
async def answer(request: Request) -> Reply:
    """What was copied out of a container is longer than what hosts say otherwise."""
    said = bodies.read(ConsoleAnswer, await _whole(request))

    async def act(tx: Tx) -> None:
        host, _ = await door.changing(tx, request)
        read = await agent_access.console_read(tx, host, request.values["read_id"])
        output = said.output
        if output is not None and read.question is None:
            output = output[-read.limit_bytes :]
        await console_output.answer(tx, read.id, output=output, error=said.error)

    await transact(request.parts.store, act)
    return Reply(204)


async def _whole(request: Request) -> bytes:
    async with request.parts.store.read() as tx:
        await door.looking(tx, request)
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > _ANSWER_MAX:
            raise Invalid("body.too_large", f"An answer has at most {_ANSWER_MAX} bytes.", status=413)
    return bytes(found)


def _asked(request: Request, name: str) -> str:
    value = request.asked(name)
    if not value:
        raise Invalid("query.invalid", f"{name} must be given.")
    return value
