"""QoS specs: limits that types of volumes share. `consumer` says who is to enforce them; here the engine does."""

from collections.abc import Collection

from trivet.domain.volumes import types
from trivet.domain.volumes.types import QOS, TYPES, Qos, VolumeType
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tx import Tx
from trivet.store.where import Where

CONSUMERS = ("back-end", "front-end", "both")


async def visible(tx: Tx, id: str) -> Qos:
    found = await tx.get(QOS, id)
    if found is None:
        raise NotFound("qos.absent", f"No such qos spec {id[:64]}.")
    return found


async def create(tx: Tx, qos: Qos) -> None:
    _check(qos)
    if not await tx.insert_new(QOS, qos):
        raise Conflict("qos.exists", f"QoS Specs {qos.name} already exists.")


def _check(qos: Qos) -> None:
    if qos.consumer not in CONSUMERS:
        raise Invalid("qos.consumer", f"Invalid qos specs: Valid consumer of QoS specs are: {list(CONSUMERS)}.")


async def specify(tx: Tx, qos: Qos, said: dict[str, str]) -> None:
    consumer = said.get("consumer", qos.consumer)
    specs = qos.specs | {name: value for name, value in said.items() if name != "consumer"}
    changed = await tx.update(QOS, qos, consumer=consumer, specs=specs, updated_at=tx.clock.now())
    _check(changed)


async def drop_keys(tx: Tx, qos: Qos, keys: Collection[str]) -> None:
    absent = set(keys) - qos.specs.keys()
    if absent:
        raise Invalid("qos.key", f"QoS spec {qos.id} has no spec with key {sorted(absent)[0]}.")
    specs = {name: value for name, value in qos.specs.items() if name not in keys}
    await tx.update(QOS, qos, specs=specs, updated_at=tx.clock.now())


async def types_of(tx: Tx, qos_id: str) -> list[VolumeType]:
    return await tx.select(TYPES, Where().equal("qos_id", qos_id), order="name")


async def delete(tx: Tx, qos: Qos, *, force: bool) -> None:
    used = await types_of(tx, qos.id)
    if used and not force:
        raise Invalid("qos.in_use", f"QoS Specs {qos.id} is still associated with entities.")
    await disassociate(tx, qos, None)
    await tx.delete(QOS, qos)


async def associate(tx: Tx, qos: Qos, type_id: str) -> None:
    type = await tx.get(TYPES, type_id)
    if type is None:
        raise types.absent(type_id)
    if type.qos_id not in (None, qos.id):
        raise Invalid("qos.other", f"Type {type.id} is already associated with another qos specs: {type.qos_id}.")
    await tx.update(TYPES, type, qos_id=qos.id, updated_at=tx.clock.now())


async def disassociate(tx: Tx, qos: Qos, type_id: str | None) -> None:
    """From one type, or from all."""
    for type in await types_of(tx, qos.id):
        if type_id in (None, type.id):
            await tx.update(TYPES, type, qos_id=None, updated_at=tx.clock.now())
