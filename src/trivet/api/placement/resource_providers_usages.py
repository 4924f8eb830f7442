"""/resource_providers/{uuid}/usages: how much of what is taken."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.api.placement.resource_providers import needed
from trivet.domain.placement import inventories

resource = Resource()


@resource.on("GET", "/resource_providers/{uuid}/usages", may="service")
async def index(request: Request) -> Reply:
    wire.accepts_json(request)
    provider = await needed(request)
    usages = await inventories.usages_of(request.tx, provider.id)
    return wire.reply(request, 200, {"resource_provider_generation": provider.generation, "usages": usages})
