"""/types: what volumes an operator offers, their extra specs, and which projects see those that are not public."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Name
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging
from trivet.api.volume.bodies import Key, Loose, Text, flag, one_spec
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.views import volume_type
from trivet.domain.volumes import metadata, types
from trivet.domain.volumes.types import TYPES, VolumeType
from trivet.errors import Conflict, Invalid, NotFound

resource = VolumeResource()
PATH = "/types/{type_id}"
SPECS = f"{PATH}/extra_specs"
_SORTS = {"id": "id", "name": "name", "created_at": "created_at", "updated_at": "updated_at", "is_public": "is_public"}
Specs = Annotated[dict[Key, Text], msgspec.Meta(max_length=128)]
Description = Annotated[str, msgspec.Meta(max_length=255)]


class NewType(Body, frozen=True, kw_only=True):
    name: Name
    description: Description | None = None
    is_public: bool | str = msgspec.field(default=True, name="os-volume-type-access:is_public")
    extra_specs: Specs | None = None


class CreateBody(Loose, frozen=True, kw_only=True):
    volume_type: NewType


class Changes(Body, frozen=True, kw_only=True):
    name: Text | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    is_public: bool | str | UnsetType = UNSET


class UpdateBody(Loose, frozen=True, kw_only=True):
    volume_type: Changes


class SpecsBody(Loose, frozen=True, kw_only=True):
    extra_specs: Specs


class Access(Body, frozen=True, kw_only=True):
    project: Name


class AddBody(Loose, frozen=True, kw_only=True):
    said: Access = msgspec.field(name="addProjectAccess")


class RemoveBody(Loose, frozen=True, kw_only=True):
    said: Access = msgspec.field(name="removeProjectAccess")


async def named(request: Request) -> VolumeType:
    return await types.visible(request.tx, request.caller, request.values["type_id"])


def _checked(name: str) -> str:
    if not name.strip():
        raise Invalid("body.invalid", "Volume type name can not be empty.")
    return name.strip()


@resource.on("POST", "/types", may="admin")
async def create(request: Request) -> Reply:
    said = request.read(CreateBody, strict=False).volume_type
    now = request.tx.clock.now()
    type = VolumeType(
        id=request.tx.ids.uuid(),
        name=_checked(said.name),
        description=said.description,
        is_public=flag(said.is_public, "is_public"),
        extra_specs=said.extra_specs or {},
        created_at=now,
        updated_at=now,
    )
    return Reply(200, {"volume_type": volume_type(request, await types.create(request.tx, type), written=True)})


@resource.on("GET", "/types", may="reader")
async def index(request: Request) -> Reply:
    seen = types.visible_where(request.caller)
    where = paging.public_or_not(request, seen.copy())
    paging.filtered(request, where, {"name": "name", "description": "description"} if request.version >= 3052 else {})
    found = await paging.find(request, TYPES, _SORTS, where, seen=seen)
    shown = [volume_type(request, type) for type in found]
    return paging.page_of(request, "volume_types", "types", found, shown)


@resource.on("GET", "/types/default", may="reader")
async def default(request: Request) -> Reply:
    found = await types.default(request.tx, request.caller.project_id)
    if found is None:
        raise NotFound("volume_type.no_default", "Default volume type can not be found.")
    return Reply(200, {"volume_type": volume_type(request, found)})


@resource.on("GET", PATH, may="reader")
async def show(request: Request) -> Reply:
    return Reply(200, {"volume_type": volume_type(request, await named(request))})


@resource.on("PUT", PATH, may="admin")
async def update(request: Request) -> Reply:
    said = request.read(UpdateBody, strict=False).volume_type
    changes: dict[str, Any] = {}
    if said.name not in (UNSET, None):
        changes["name"] = _checked(said.name)
    if said.description is not UNSET:
        changes["description"] = said.description
    if said.is_public is not UNSET:
        changes["is_public"] = flag(said.is_public, "is_public")
    if not changes:
        raise Invalid("body.invalid", "Specify volume type name, description, is_public or a combination thereof.")
    type = await types.update(request.tx, await named(request), changes)
    view = volume_type(request, type, written=True)
    del view["os-volume-type-access:is_public"]
    return Reply(200, {"volume_type": view})


@resource.on("DELETE", PATH, may="admin")
async def delete(request: Request) -> Reply:
    await types.delete(request.tx, await named(request))
    return Reply(202)


# -- extra specs


@resource.on("GET", SPECS, may="reader")
async def list_specs(request: Request) -> Reply:
    return Reply(200, {"extra_specs": volume_type(request, await named(request))["extra_specs"]})


@resource.on("POST", SPECS, may="admin")
async def add_specs(request: Request) -> Reply:
    said = request.read(SpecsBody).extra_specs
    type = await named(request)
    await _specify(request, type, type.extra_specs | said)
    return Reply(200, {"extra_specs": said})


@resource.on("GET", SPECS + "/{key}", may="reader")
async def show_spec(request: Request) -> Reply:
    key, specs = request.values["key"], volume_type(request, await named(request))["extra_specs"]
    return Reply(200, {key: _spec(specs, key)})


@resource.on("PUT", SPECS + "/{key}", may="admin")
async def put_spec(request: Request) -> Reply:
    said, type = one_spec(request), await named(request)
    await _specify(request, type, type.extra_specs | said)
    return Reply(200, said)


@resource.on("DELETE", SPECS + "/{key}", may="admin")
async def delete_spec(request: Request) -> Reply:
    type, key = await named(request), request.values["key"]
    _spec(type.extra_specs, key)
    await _specify(request, type, metadata.without(type.extra_specs, key))
    return Reply(202)


async def _specify(request: Request, type: VolumeType, specs: dict[str, str]) -> None:
    await types.specify(request.tx, type, metadata.bounded(specs, "A volume type", "extra specs"))


def _spec(specs: dict[str, str], key: str) -> str:
    if key not in specs:
        raise NotFound("volume_type.spec_absent", f"Volume type has no extra specs with key {key[:64]}.")
    return specs[key]


# -- access


@resource.on("GET", PATH + "/os-volume-type-access", may="operator")
async def access(request: Request) -> Reply:
    type = await named(request)
    if type.is_public:
        raise NotFound("volume_type.public", "Access list not available for public volume types.")
    found = await types.projects_of(request.tx, type.id)
    shown = [{"volume_type_id": type.id, "project_id": project_id} for project_id in found]
    return Reply(200, {"volume_type_access": shown})


@resource.action(PATH + "/action", "addProjectAccess", may="admin")
async def add_access(request: Request) -> Reply:
    type, project_id = await named(request), request.read(AddBody).said.project
    if type.is_public:
        raise Conflict("volume_type.public", "Type access modification is not applicable to public volume type.")
    await types.give_access(request.tx, type, project_id)
    return Reply(202)


@resource.action(PATH + "/action", "removeProjectAccess", may="admin")
async def remove_access(request: Request) -> Reply:
    type, project_id = await named(request), request.read(RemoveBody).said.project
    if type.is_public:
        raise Conflict("volume_type.public", "Type access modification is not applicable to public volume type.")
    await types.take_access(request.tx, type, project_id)
    return Reply(202)
