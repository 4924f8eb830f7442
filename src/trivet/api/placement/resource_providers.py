"""/resource_providers: who can give capacity, and where in a tree it stands."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Since
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.domain.placement import providers, traits
from trivet.domain.placement.providers import Provider, Wishes
from trivet.errors import Invalid

resource = Resource()

ProviderName = Annotated[str, msgspec.Meta(max_length=200)]

_NESTED = 1014
_MAY_MOVE = 1037


class ProviderCreate(Body, frozen=True, kw_only=True):
    name: ProviderName
    uuid: str | UnsetType = UNSET
    parent_provider_uuid: Annotated[str | UnsetType | None, Since("1.14")] = UNSET


class ProviderChange(Body, frozen=True, kw_only=True):
    name: ProviderName
    parent_provider_uuid: Annotated[str | UnsetType | None, Since("1.14")] = UNSET


@resource.on("GET", "/resource_providers", may="service")
async def index(request: Request) -> Reply:
    wire.accepts_json(request)
    found = await providers.find(request.tx, await _wishes(request))
    changed_at = max((provider.updated_at for provider in found), default=None)
    shown = [_shown(request, provider) for provider in found]
    return wire.reply(request, 200, {"resource_providers": shown}, changed_at=changed_at)


@resource.on("POST", "/resource_providers", may="service")
async def create(request: Request) -> Reply:
    body = wire.read(request, ProviderCreate)
    id = request.parts.ids.uuid() if body.uuid is UNSET else wire.uuid(body.uuid, "uuid")
    parent = _parent(body.parent_provider_uuid)
    provider = await providers.create(request.tx, id, body.name, parent if parent is not UNSET else None)
    location = wire.path(request, "resource_providers", id)
    if request.version >= 1020:
        return wire.reply(request, 200, _shown(request, provider), changed_at=provider.updated_at, location=location)
    return wire.reply(request, 201, location=location)


@resource.on("GET", "/resource_providers/{uuid}", may="service")
async def show(request: Request) -> Reply:
    wire.accepts_json(request)
    provider = await needed(request)
    return wire.reply(request, 200, _shown(request, provider), changed_at=provider.updated_at)


@resource.on("PUT", "/resource_providers/{uuid}", may="service")
async def change(request: Request) -> Reply:
    wire.says_json(request)
    provider = await needed(request)
    body = wire.read(request, ProviderChange)
    parent = _parent(body.parent_provider_uuid)
    provider = await providers.change(
        request.tx,
        provider,
        body.name,
        provider.parent_id if parent is UNSET else parent,
        may_move=request.version >= _MAY_MOVE,
    )
    return wire.reply(request, 200, _shown(request, provider), changed_at=provider.updated_at)


@resource.on("DELETE", "/resource_providers/{uuid}", may="service")
async def delete(request: Request) -> Reply:
    await providers.delete(request.tx, request.values["uuid"])
    return Reply(204)


def _parent(said: str | UnsetType | None) -> str | UnsetType | None:
    return wire.uuid(said, "parent_provider_uuid") if isinstance(said, str) else said


async def _wishes(request: Request) -> Wishes:
    allowed = {"name", "uuid"}
    for since, name in ((1003, "member_of"), (1004, "resources"), (_NESTED, "in_tree"), (1018, "required")):
        if request.version >= since:
            allowed.add(name)
    wire.only(request, allowed)
    said = request.asked("resources")
    amounts = wire.resources(said) if said is not None else {}
    required, forbidden = wire.traits(request, "required")
    member_of, outside = wire.member_of(request, "member_of")
    await wire.check_classes(request, amounts)
    no_traits = await traits.missing(request.tx, forbidden.union(*required))
    if no_traits:
        raise Invalid(
            "trait.absent",
            f'Invalid trait(s) in "required" parameter: No such trait(s): {", ".join(sorted(no_traits))}.',
        )
    return Wishes(
        name=request.asked("name") or None,
        id=wire.asked_uuid(request, "uuid"),
        in_tree=wire.asked_uuid(request, "in_tree"),
        resources=amounts,
        required=required,
        forbidden=forbidden,
        member_of=member_of,
        outside=outside,
    )


def _shown(request: Request, provider: Provider) -> object:
    href = wire.path(request, "resource_providers", provider.id)
    links = [{"rel": "self", "href": href}]
    rels = ["inventories", "usages"]
    for since, rel in ((1001, "aggregates"), (1006, "traits"), (1011, "allocations")):
        if request.version >= since:
            rels.append(rel)
    links += [{"rel": rel, "href": f"{href}/{rel}"} for rel in rels]
    shown: dict[str, object] = {
        "uuid": provider.id,
        "name": provider.name,
        "generation": provider.generation,
        "links": links,
    }
    if request.version >= _NESTED:
        shown["parent_provider_uuid"] = provider.parent_id
        shown["root_provider_uuid"] = provider.root_id
    return shown


async def needed(request: Request) -> Provider:
    """The provider that the path names; its sub-resources use this, too."""
    return await providers.need(request.tx, request.values["uuid"])
