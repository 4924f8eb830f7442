"""/resource_providers/{uuid}/traits: what a provider can do."""

from typing import Annotated

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.api.placement.resource_providers import needed
from trivet.domain.hosts import hosts
from trivet.domain.placement import providers, traits
from trivet.errors import Invalid

resource = Resource()

TraitName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class TraitsBody(Body, frozen=True, kw_only=True):
    traits: list[TraitName]
    resource_provider_generation: int


@resource.on("GET", "/resource_providers/{uuid}/traits", may="service", since="1.6")
async def index(request: Request) -> Reply:
    provider = await needed(request)
    return _reply(request, await traits.of_provider(request.tx, provider.id), provider.generation)


@resource.on("PUT", "/resource_providers/{uuid}/traits", may="service", since="1.6")
async def replace(request: Request) -> Reply:
    body = wire.read(request, TraitsBody)
    provider = await needed(request)
    providers.check_generation(provider, body.resource_provider_generation)
    missing = await traits.missing(request.tx, body.traits)
    if missing:
        raise Invalid("trait.absent", f"No such trait {', '.join(sorted(missing))}")
    wanted = await hosts.with_own_traits(request.tx, provider.id, set(body.traits))
    if wanted != set(await traits.of_provider(request.tx, provider.id)):
        provider = await providers.move_on(request.tx, provider)
        await traits.set_of_provider(request.tx, provider.id, wanted)
    return _reply(request, sorted(wanted), provider.generation)


@resource.on("DELETE", "/resource_providers/{uuid}/traits", may="service", since="1.6")
async def delete(request: Request) -> Reply:
    provider = await needed(request)
    left = await hosts.with_own_traits(request.tx, provider.id, set())
    if left != set(await traits.of_provider(request.tx, provider.id)):
        await providers.move_on(request.tx, provider)
        await traits.set_of_provider(request.tx, provider.id, left)
    return Reply(204)


def _reply(request: Request, names: list[str], generation: int) -> Reply:
    return wire.reply(request, 200, {"traits": names, "resource_provider_generation": generation})
