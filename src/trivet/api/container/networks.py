"""/v1/networks: upstream's record of which networks its engine knows. Here the engine knows none by itself."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.errors import Invalid, NotFound

resource = Resource()


@resource.on("POST", "/v1/networks", may="admin")
async def create(request: Request) -> Reply:
    raise Invalid(
        "network.nothing_to_make", "Containers join the cloud's networks as they are; nothing is to be made first."
    )


@resource.on("DELETE", "/v1/networks/{network_ident}", may="admin", since="1.27")
async def delete(request: Request) -> Reply:
    raise NotFound(
        "network.absent",
        f"Of network {request.values['network_ident'][:64]} there is no record of an engine's.",
    )
