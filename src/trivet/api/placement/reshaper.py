"""/reshaper: inventories and the allocations on them moved between providers in one step."""

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import allocations_bodies as bodies
from trivet.api.placement import wire
from trivet.api.placement.allocations_bodies import ConsumerAllocations, UuidKey
from trivet.api.placement.resource_providers_inventories import InventoriesBody, check, inventory_of
from trivet.domain.placement import allocations, providers
from trivet.domain.placement.inventories import Inventory
from trivet.domain.placement.providers import Provider
from trivet.errors import Invalid

resource = Resource()


class Reshape(Body, frozen=True, kw_only=True):
    inventories: dict[UuidKey, InventoriesBody]
    allocations: dict[UuidKey, ConsumerAllocations]


@resource.on("POST", "/reshaper", may="service", since="1.30")
async def reshape(request: Request) -> Reply:
    body = wire.read(request, Reshape)
    if not body.inventories:
        raise Invalid("body.invalid", "JSON does not validate: {} does not have enough properties")
    moved = [bodies.checked(request, wire.uuid(id, "consumer"), one) for id, one in body.allocations.items()]
    wanted: list[tuple[Provider, dict[str, Inventory]]] = []
    for id, said in sorted(body.inventories.items()):
        provider = await providers.get(request.tx, id)
        if provider is None:
            raise Invalid("provider.unknown", f"Resource provider {id} in inventories not found")
        providers.check_generation(provider, said.resource_provider_generation)
        kept = {name: inventory_of(one) for name, one in said.inventories.items()}
        await check(request, id, kept)
        wanted.append((provider, kept))
    holders = [(one.consumer, one.allocations) for one in moved]
    await allocations.reshape(request.tx, wanted, holders, bodies.known(moved))
    return Reply(204)
