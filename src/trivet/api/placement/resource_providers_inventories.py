"""/resource_providers/{uuid}/inventories: how much of what a provider has."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.api.placement.resource_providers import needed
from trivet.domain.placement import inventories, providers, resource_classes
from trivet.domain.placement.inventories import MOST, Inventory
from trivet.domain.placement.providers import Provider
from trivet.errors import Conflict, Invalid, NotFound

resource = Resource()

ClassName = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9_]+\Z", max_length=255)]
Count = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Reserved = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Ratio = Annotated[float, msgspec.Meta(ge=-3.40282e38, le=3.40282e38)]

_MAY_RESERVE_ALL = 1026


class InventoryBody(Body, frozen=True, kw_only=True):
    total: Count
    reserved: Reserved = 0
    min_unit: Count = 1
    max_unit: Count = MOST
    step_size: Count = 1
    allocation_ratio: Ratio = 1.0
    resource_provider_generation: int | UnsetType = UNSET


class InventoryCreate(InventoryBody, frozen=True, kw_only=True):
    resource_class: ClassName


class InventoryChange(InventoryBody, frozen=True, kw_only=True):
    resource_provider_generation: int


class InventoriesBody(Body, frozen=True, kw_only=True):
    resource_provider_generation: int
    inventories: dict[ClassName, InventoryBody]


@resource.on("GET", "/resource_providers/{uuid}/inventories", may="service")
async def index(request: Request) -> Reply:
    wire.accepts_json(request)
    provider = await needed(request)
    return _all(request, provider, await inventories.of_provider(request.tx, provider.id))


@resource.on("POST", "/resource_providers/{uuid}/inventories", may="service")
async def create(request: Request) -> Reply:
    wire.says_json(request)
    provider = await needed(request)
    body = wire.read(request, InventoryCreate)
    name, inventory = body.resource_class, inventory_of(body)
    if body.resource_provider_generation is not UNSET:
        providers.check_generation(provider, body.resource_provider_generation)
    await check(request, provider.id, {name: inventory})
    if name in await inventories.of_provider(request.tx, provider.id):
        raise Conflict("record.exists", f"Update conflict: there is an inventory of {name} already.")
    provider = await providers.move_on(request.tx, provider)
    await inventories.write(request.tx, provider.id, {name: inventory})
    location = wire.path(request, "resource_providers", provider.id, "inventories", name)
    return _one(request, provider, inventory, status=201, location=location)


@resource.on("PUT", "/resource_providers/{uuid}/inventories", may="service")
async def replace(request: Request) -> Reply:
    wire.says_json(request)
    provider = await needed(request)
    body = wire.read(request, InventoriesBody)
    providers.check_generation(provider, body.resource_provider_generation)
    wanted = {name: inventory_of(said) for name, said in body.inventories.items()}
    await check(request, provider.id, wanted)
    provider = await providers.move_on(request.tx, provider)
    await inventories.replace(request.tx, provider.id, wanted)
    return _all(request, provider, wanted)


@resource.on("DELETE", "/resource_providers/{uuid}/inventories", may="service", until="1.4")
async def no_delete_all(request: Request) -> Reply:
    raise Invalid("method.not_allowed", "Inventories are deleted together from version 1.5 on.", status=405)


@resource.on("DELETE", "/resource_providers/{uuid}/inventories", may="service", since="1.5")
async def delete_all(request: Request) -> Reply:
    provider = await needed(request)
    await providers.move_on(request.tx, provider)
    await inventories.replace(request.tx, provider.id, {})
    return Reply(204)


@resource.on("GET", "/resource_providers/{uuid}/inventories/{resource_class}", may="service")
async def show(request: Request) -> Reply:
    wire.accepts_json(request)
    provider = await needed(request)
    name = request.values["resource_class"]
    inventory = (await inventories.of_provider(request.tx, provider.id)).get(name)
    if inventory is None:
        raise NotFound("inventory.absent", f"No inventory of class {name} for {provider.id}")
    return _one(request, provider, inventory)


@resource.on("PUT", "/resource_providers/{uuid}/inventories/{resource_class}", may="service")
async def change(request: Request) -> Reply:
    wire.says_json(request)
    provider = await needed(request)
    body = wire.read(request, InventoryChange)
    name = request.values["resource_class"]
    providers.check_generation(provider, body.resource_provider_generation)
    await resource_classes.need(request.tx, name)
    inventory = inventory_of(body)
    await check(request, provider.id, {name: inventory})
    if name not in await inventories.of_provider(request.tx, provider.id):
        raise Invalid(
            "inventory.absent", f"No inventory record with resource class {name} for resource provider {provider.id}"
        )
    provider = await providers.move_on(request.tx, provider)
    await inventories.write(request.tx, provider.id, {name: inventory})
    return _one(request, provider, inventory)


@resource.on("DELETE", "/resource_providers/{uuid}/inventories/{resource_class}", may="service")
async def delete(request: Request) -> Reply:
    provider = await needed(request)
    name = request.values["resource_class"]
    if name not in await inventories.of_provider(request.tx, provider.id):
        raise NotFound("inventory.absent", f"No inventory of class {name} found for delete")
    await providers.move_on(request.tx, provider)
    await inventories.remove(request.tx, provider.id, {name})
    return Reply(204)


def inventory_of(body: InventoryBody) -> Inventory:
    return Inventory(
        total=body.total,
        reserved=body.reserved,
        min_unit=body.min_unit,
        max_unit=body.max_unit,
        step_size=body.step_size,
        allocation_ratio=body.allocation_ratio,
    )


async def check(request: Request, provider_id: str, wanted: dict[str, Inventory]) -> None:
    await inventories.check_classes(request.tx, set(wanted))
    inventories.check(wanted, provider_id, may_be_all_reserved=request.version >= _MAY_RESERVE_ALL)


def _all(request: Request, provider: Provider, found: dict[str, Inventory]) -> Reply:
    shown = {
        "resource_provider_generation": provider.generation,
        "inventories": {name: _shown(inventory) for name, inventory in found.items()},
    }
    return wire.reply(request, 200, shown, changed_at=provider.updated_at)


def _one(
    request: Request, provider: Provider, inventory: Inventory, *, status: int = 200, location: str | None = None
) -> Reply:
    shown = _shown(inventory) | {"resource_provider_generation": provider.generation}
    return wire.reply(request, status, shown, changed_at=provider.updated_at, location=location)


def _shown(inventory: Inventory) -> dict[str, object]:
    shown: dict[str, object] = msgspec.structs.asdict(inventory)
    return shown
