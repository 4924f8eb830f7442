"""/resource_providers/{uuid}/allocations: who took what of one provider."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.api.placement.resource_providers import needed
from trivet.domain.placement import allocations

resource = Resource()


@resource.on("GET", "/resource_providers/{uuid}/allocations", may="service")
async def index(request: Request) -> Reply:
    wire.accepts_json(request)
    provider = await needed(request)
    shown: dict[str, dict[str, object]] = {}
    for consumer_id, held in (await allocations.of_provider(request.tx, provider.id)).items():
        shown[consumer_id] = {"resources": held.resources}
        if request.version >= 1028:
            shown[consumer_id]["consumer_generation"] = held.generation
    return wire.reply(request, 200, {"allocations": shown, "resource_provider_generation": provider.generation})
