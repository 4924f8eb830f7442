"""How a host comes onto the network between the hosts."""

from typing import Annotated

import msgspec

from trivet.api.host_link import door
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts import overlay

_REQUEST_MAX = 4096

resource = Resource()


class Asked(Body, frozen=True):
    request: Annotated[str, msgspec.Meta(max_length=_REQUEST_MAX)]
    """A PEM signing request, with a key that stays on the host."""


@resource.on("POST", "/overlay", may="host")
async def join(request: Request) -> Reply:
    host, _ = await door.changing(request.tx, request)
    asked, secrets = request.read(Asked).request, request.parts.secrets
    return Reply(200, await overlay.sign_chassis(request.tx, secrets, asked, host.id))
