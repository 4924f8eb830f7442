"""/types/{type_id}/encryption: whether volumes of a type are encrypted, and how."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Name
from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import Loose, Text
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.types import PATH, named
from trivet.clock import iso_micros
from trivet.domain.volumes import encryption
from trivet.domain.volumes.types import Encryption, VolumeType
from trivet.errors import NotFound

resource = VolumeResource()
ENCRYPTION = f"{PATH}/encryption"
KeySize = Annotated[int, msgspec.Meta(ge=0, le=2147483647)]
Control = Literal["front-end", "back-end"]


class New(Loose, frozen=True, kw_only=True):
    provider: Name
    control_location: Control
    cipher: Text | None = None
    key_size: KeySize | None = None


class CreateBody(Loose, frozen=True, kw_only=True):
    encryption: New


class Changes(Loose, frozen=True, kw_only=True):
    provider: Name | UnsetType = UNSET
    control_location: Control | UnsetType = UNSET
    cipher: Text | UnsetType | None = UNSET
    key_size: KeySize | UnsetType | None = UNSET


class UpdateBody(Loose, frozen=True, kw_only=True):
    encryption: Changes


@resource.on("GET", ENCRYPTION, may="operator")
async def index(request: Request) -> Reply:
    return Reply(200, _view(await named(request)))


@resource.on("POST", ENCRYPTION, may="admin")
async def create(request: Request) -> Reply:
    said = request.read(CreateBody, strict=False).encryption
    made = Encryption(
        id=request.tx.ids.uuid(),
        provider=said.provider,
        control_location=said.control_location,
        cipher=said.cipher,
        key_size=said.key_size,
        created_at=request.tx.clock.now(),
    )
    await encryption.create(request.tx, await named(request), made)
    return Reply(200, {"encryption": request.read_object()["encryption"]})


@resource.on("GET", ENCRYPTION + "/{key}", may="operator")
async def show(request: Request) -> Reply:
    type, key = await named(request), request.values["key"]
    view = _view(type)
    if key not in view:
        raise NotFound("encryption.absent", f"Volume type encryption for type {type.id} does not exist.")
    return Reply(200, {key: view[key]})


@resource.on("PUT", ENCRYPTION + "/{key}", may="admin")
async def update(request: Request) -> Reply:
    said = request.read(UpdateBody, strict=False).encryption
    changes = {name: getattr(said, name) for name in said.__struct_fields__ if getattr(said, name) is not UNSET}
    await encryption.update(request.tx, await named(request), changes)
    return Reply(200, {"encryption": request.read_object()["encryption"]})


@resource.on("DELETE", ENCRYPTION + "/{key}", may="admin")
async def delete(request: Request) -> Reply:
    await encryption.delete(request.tx, await named(request))
    return Reply(202)


def _view(type: VolumeType) -> dict[str, Any]:
    """Of a type that says nothing of it there is nothing."""
    said = type.encryption
    if said is None:
        return {}
    return {
        "volume_type_id": type.id,
        "encryption_id": said.id,
        "provider": said.provider,
        "cipher": said.cipher,
        "key_size": said.key_size,
        "control_location": said.control_location,
        "created_at": iso_micros(said.created_at),
        "updated_at": iso_micros(said.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
