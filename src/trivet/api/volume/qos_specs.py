"""/qos-specs: what the engine lets volumes of a type do. A change reaches volumes in use at once."""

from typing import Annotated, Any

import msgspec

from trivet.api.kit.bodies import Name
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging
from trivet.api.volume.bodies import Loose
from trivet.api.volume.paths import VolumeResource, links
from trivet.domain.volumes import qos
from trivet.domain.volumes.types import QOS, Qos
from trivet.errors import Invalid
from trivet.store.where import Where

resource = VolumeResource()
PATH = "/qos-specs/{qos_id}"
_SORTS = {"id": "id", "name": "name", "consumer": "consumer", "created_at": "created_at"}
Words = Annotated[dict[Name, str | int], msgspec.Meta(max_length=64)]


class SpecsBody(Loose, frozen=True, kw_only=True):
    qos_specs: Words


class KeysBody(Loose, frozen=True, kw_only=True):
    keys: Annotated[list[Name], msgspec.Meta(max_length=64)]


async def _named(request: Request) -> Qos:
    return await qos.visible(request.tx, request.values["qos_id"])


def _words(said: dict[str, str | int]) -> dict[str, str]:
    found = {name: str(value) for name, value in said.items()}
    if any(len(value) > 255 for value in found.values()):
        raise Invalid("body.invalid", "Invalid input: a value has more than 255 characters.")
    return found


@resource.on("POST", "/qos-specs", may="admin")
async def create(request: Request) -> Reply:
    said = _words(request.read(SpecsBody).qos_specs)
    name, consumer = said.pop("name", "").strip(), said.pop("consumer", "back-end")
    if not name:
        raise Invalid("body.invalid", "Invalid input for field/attribute qos_specs: 'name' is a required property.")
    now = request.tx.clock.now()
    made = Qos(id=request.tx.ids.uuid(), name=name, consumer=consumer, specs=said, created_at=now, updated_at=now)
    await qos.create(request.tx, made)
    return Reply(200, _view(request, made))


@resource.on("GET", "/qos-specs", may="operator")
async def index(request: Request) -> Reply:
    found = await paging.find(request, QOS, _SORTS, Where(), seen=Where())
    shown = [_view(request, one)["qos_specs"] for one in found]
    return paging.page_of(request, "qos_specs", "qos-specs", found, shown)


@resource.on("GET", PATH, may="operator")
async def show(request: Request) -> Reply:
    return Reply(200, _view(request, await _named(request)))


@resource.on("PUT", PATH, may="admin")
async def update(request: Request) -> Reply:
    said = _words(request.read(SpecsBody).qos_specs)
    await qos.specify(request.tx, await _named(request), said)
    return Reply(200, {"qos_specs": said})


@resource.on("DELETE", PATH, may="admin")
async def delete(request: Request) -> Reply:
    await qos.delete(request.tx, await _named(request), force=bool(request.asked_flag("force")))
    return Reply(202)


@resource.on("PUT", PATH + "/delete_keys", may="admin")
async def delete_keys(request: Request) -> Reply:
    await qos.drop_keys(request.tx, await _named(request), request.read(KeysBody).keys)
    return Reply(202)


@resource.on("GET", PATH + "/associations", may="operator")
async def associations(request: Request) -> Reply:
    found = await qos.types_of(request.tx, (await _named(request)).id)
    shown = [{"association_type": "volume_type", "name": type.name, "id": type.id} for type in found]
    return Reply(200, {"qos_associations": shown})


@resource.on("GET", PATH + "/associate", may="admin", tx="write")
async def associate(request: Request) -> Reply:
    await qos.associate(request.tx, await _named(request), _type_id(request))
    return Reply(202)


@resource.on("GET", PATH + "/disassociate", may="admin", tx="write")
async def disassociate(request: Request) -> Reply:
    await qos.disassociate(request.tx, await _named(request), _type_id(request))
    return Reply(202)


@resource.on("GET", PATH + "/disassociate_all", may="admin", tx="write")
async def disassociate_all(request: Request) -> Reply:
    await qos.disassociate(request.tx, await _named(request), None)
    return Reply(202)


def _type_id(request: Request) -> str:
    said = request.asked("vol_type_id")
    if said is None:
        raise Invalid("query.invalid", "Volume Type id must not be None.")
    return said


def _view(request: Request, found: Qos) -> dict[str, Any]:
    words = {"id": found.id, "name": found.name, "consumer": found.consumer, "specs": found.specs}
    return {"qos_specs": words, "links": links(request, "qos-specs", found.id)}
