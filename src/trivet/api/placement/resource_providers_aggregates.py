"""/resource_providers/{uuid}/aggregates: which groups of providers one is in. From 1.19 on with generations.

They are shown as they were said, with or without dashes, and found by either spelling (`wire.member_of`).
"""

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.api.placement.resource_providers import needed
from trivet.domain.placement import providers
from trivet.domain.placement.providers import Provider
from trivet.errors import Invalid

resource = Resource()

_COUNTED = 1019


class AggregatesBody(Body, frozen=True, kw_only=True):
    aggregates: list[str]
    resource_provider_generation: int


@resource.on("GET", "/resource_providers/{uuid}/aggregates", may="service", since="1.1")
async def index(request: Request) -> Reply:
    wire.accepts_json(request)
    provider = await needed(request)
    return _reply(request, provider, await providers.aggregates_of(request.tx, provider.id))


@resource.on("PUT", "/resource_providers/{uuid}/aggregates", may="service", since="1.1")
async def replace(request: Request) -> Reply:
    wire.says_json(request)
    provider = await needed(request)
    known: int | None = None
    if request.version >= _COUNTED:
        body = wire.read(request, AggregatesBody)
        wanted, known = body.aggregates, body.resource_provider_generation
    else:
        wanted = wire.read(request, list[str])
    ids = [id.lower() for id in wanted]
    if len({wire.uuid(id, "aggregates") for id in ids}) != len(ids):
        raise Invalid("body.invalid", f"JSON does not validate: {ids} has non-unique elements")
    if known is not None:
        providers.check_generation(provider, known)
        provider = await providers.move_on(request.tx, provider)
    await providers.set_aggregates(request.tx, provider.id, set(ids))
    return _reply(request, provider, ids)


def _reply(request: Request, provider: Provider, ids: list[str]) -> Reply:
    shown: dict[str, object] = {"aggregates": ids}
    if request.version >= _COUNTED:
        shown["resource_provider_generation"] = provider.generation
    return wire.reply(request, 200, shown)
