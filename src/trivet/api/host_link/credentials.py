"""Host credentials, as the operator makes and revokes them, and what their hosts may sell."""

from typing import Annotated

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.host_link import access as agent_access
from trivet.domain.host_link.words import Count
from trivet.domain.hosts import approvals
from trivet.domain.hosts import credentials as host_credentials
from trivet.domain.hosts.approvals import Approval, Size
from trivet.domain.identity.tokens import revocations
from trivet.domain.servers.words import Kind
from trivet.errors import NotFound

resource = Resource()


class Most(Body, frozen=True):
    vcpus: Count
    memory_mib: Count
    disk_gib: Count
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(max_length=3)] | None = None
    """Which kinds of servers. Without: those approved before, else those that its agent says, else vm and container."""


class CredentialCreate(Body, frozen=True):
    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}\Z")]
    capacity: Most | None = None
    """What the host may sell. Without it: what was approved before, or nothing yet."""
    awaited: bool = False
    """The host may sell what it says that it has, when it comes for the first time."""


@resource.on("POST", "/credentials", may="admin")
async def create(request: Request) -> Reply:
    """The secret is in this answer and nowhere else. It outlives the token, so the database is asked about that."""
    await revocations.refuse_dead(request.tx, request.parts.tokens, request.caller)
    said = request.read(CredentialCreate)
    if said.capacity is not None:
        await agent_access.approve(request.tx, said.host, _size(said.capacity), said.capacity.kinds)
    elif said.awaited and await approvals.of(request.tx, said.host) is None:
        await approvals.expect(request.tx, said.host)
    made, secret = await host_credentials.create(request.tx, said.host)
    return Reply(201, {"id": made.id, "host": made.host, "secret": secret})


@resource.on("GET", "/credentials", may="admin")
async def index(request: Request) -> Reply:
    found = await host_credentials.listed(request.tx)
    return Reply(
        200, {"credentials": [{"id": each.id, "host": each.host, "created_at": iso(each.created_at)} for each in found]}
    )


@resource.on("DELETE", "/credentials/{credential_id}", may="admin")
async def delete(request: Request) -> Reply:
    await host_credentials.revoke(request.tx, request.values["credential_id"])
    return Reply(204)


# -- what hosts elsewhere may sell


def _size(said: Most) -> Size:
    return Size(said.vcpus, said.memory_mib, said.disk_gib)


def _view(approval: Approval) -> dict[str, object]:
    return {
        "host": approval.host,
        "said": _told(approval.said, approval.said_kinds),
        "approved": _told(approval.approved, approval.approved_kinds),
        "sold": _told(approval.sold, approval.sold_kinds),
    }


def _told(size: Size, kinds: tuple[str, ...]) -> dict[str, object]:
    return msgspec.structs.asdict(size) | {"kinds": kinds}


@resource.on("GET", "/capacities", may="admin")
async def capacities(request: Request) -> Reply:
    return Reply(200, {"capacities": [_view(each) for each in await approvals.listed(request.tx)]})


@resource.on("PUT", "/capacities/{host}", may="admin")
async def approve(request: Request) -> Reply:
    """Approves a host's capacity. Without a body, as much is approved as its agent says that it has."""
    host = request.values["host"]
    known = await approvals.of(request.tx, host)
    if known is None:
        raise NotFound("host.absent", f"No agent and no credential has named a host {host[:64]}.")
    if not request.body.strip():
        return Reply(200, _view(await agent_access.approve(request.tx, host, known.said, known.said_kinds)))
    most = request.read(Most)
    return Reply(200, _view(await agent_access.approve(request.tx, host, _size(most), most.kinds)))
