"""/reshaper: inventories and the allocations on them moved between providers in one step."""

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import allocations_bodies as bodies
from trivet.api.placement import wire
from trivet.api.placement.allocations_bodies import ConsumerAllocations, UuidKey
from trivet.api.placement.resource_providers_inventories import InventoriesBody, check, inventory_of
from trivet.domain import allocations, inventories, providers
from trivet.domain.inventories import Inventory
from trivet.errors import Invalid

resource = Resource()


class Reshape(Body, frozen=True, kw_only=True):
    inventories: dict[UuidKey, InventoriesBody]
    allocations: dict[UuidKey, ConsumerAllocations]


@resource.on("POST", "/reshaper", may="service", since="1.30")
async def reshape(request: Request) -> Reply:
    """New inventories come first, allocations move, and only then do old inventories go."""
    body = wire.read(request, Reshape)
    if not body.inventories:
        raise Invalid("body.invalid", "JSON does not validate: {} does not have enough properties")
    moved = [bodies.checked(request, wire.uuid(id, "consumer"), one) for id, one in body.allocations.items()]
    tx = request.tx
    wanted: dict[str, dict[str, Inventory]] = {}
    for id, said in sorted(body.inventories.items()):
        provider = await providers.get(tx, id)
        if provider is None:
            raise Invalid("provider.unknown", f"Resource provider {id} in inventories not found")
        providers.check_generation(provider, said.resource_provider_generation)
        wanted[id] = {name: inventory_of(one) for name, one in said.inventories.items()}
        await check(request, id, wanted[id])
        await providers.move_on(tx, provider, by=1 if wanted[id] else 0)
        await inventories.write(tx, id, wanted[id])
    if moved:
        await allocations.put(tx, [(one.consumer, one.allocations) for one in moved], bodies.known(moved))
    for id, kept in wanted.items():
        has = set(await inventories.of_provider(tx, id))
        await inventories.remove(tx, id, has - set(kept))
        await providers.move_on(tx, await providers.need(tx, id))
    return Reply(204)
