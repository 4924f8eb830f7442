"""Host credentials, as the operator makes and revokes them."""

from typing import Annotated

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.hosts import credentials as host_credentials
from trivet.domain.identity.tokens import revocations

resource = Resource()


class CredentialCreate(Body, frozen=True):
    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}\Z")]


@resource.on("POST", "/credentials", may="admin")
async def create(request: Request) -> Reply:
    """The secret is in this answer and nowhere else. It outlives the token, so the database is asked about that."""
    await revocations.refuse_dead(request.tx, request.parts.tokens, request.caller)
    made, secret = await host_credentials.create(request.tx, request.read(CredentialCreate).host)
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
