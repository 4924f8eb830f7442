"""/allocations: what consumers hold. A PUT or POST says all that one holds from now on."""

from typing import Annotated

import msgspec

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import allocations_bodies as bodies
from trivet.api.placement import wire
from trivet.api.placement.allocations_bodies import ConsumerAllocations, UuidKey
from trivet.domain.placement import allocations, claims
from trivet.errors import NotFound

resource = Resource()

ManyAllocations = Annotated[dict[UuidKey, ConsumerAllocations], msgspec.Meta(min_length=1)]


@resource.on("GET", "/allocations/{consumer_uuid}", may="service")
async def show(request: Request) -> Reply:
    wire.accepts_json(request)
    consumer_id = request.values["consumer_uuid"]
    found = await allocations.of_consumer(request.tx, consumer_id)
    shown: dict[str, object] = {
        "allocations": {id: {"generation": held.generation, "resources": held.resources} for id, held in found.items()}
    }
    changed_at: float | None = None
    if found and (holder := await allocations.holder(request.tx, consumer_id)) is not None:
        changed_at = holder.updated_at
        for since, name, value in (
            (1012, "project_id", holder.project_id),
            (1012, "user_id", holder.user_id),
            (1028, "consumer_generation", holder.generation),
            (1038, "consumer_type", holder.type or allocations.UNKNOWN),
        ):
            if request.version >= since:
                shown[name] = value
    return wire.reply(request, 200, shown, changed_at=changed_at)


@resource.on("PUT", "/allocations/{consumer_uuid}", may="service")
async def put(request: Request) -> Reply:
    consumer_id = wire.uuid(request.values["consumer_uuid"], "Malformed consumer_uuid")
    said = bodies.read_one(request, consumer_id)
    await allocations.put(request.tx, [(said.consumer, said.allocations)], bodies.known([said]))
    return Reply(204)


@resource.on("POST", "/allocations", may="service", since="1.13")
async def put_many(request: Request) -> Reply:
    read: dict[str, ConsumerAllocations] = wire.read(request, ManyAllocations)
    said = [bodies.checked(request, wire.uuid(id, "consumer"), body) for id, body in read.items()]
    await allocations.put(request.tx, [(one.consumer, one.allocations) for one in said], bodies.known(said))
    return Reply(204)


@resource.on("DELETE", "/allocations/{consumer_uuid}", may="service")
async def delete(request: Request) -> Reply:
    consumer_id = request.values["consumer_uuid"]
    if not await claims.free(request.tx, consumer_id):
        raise NotFound("consumer.absent", f"No allocations for consumer '{consumer_id}'")
    return Reply(204)
