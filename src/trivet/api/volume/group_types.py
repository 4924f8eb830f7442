"""/group_types: what groups an operator offers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Name
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging
from trivet.api.volume.bodies import Key, Loose, Text, flag, one_spec
from trivet.api.volume.paths import VolumeResource
from trivet.domain.volumes import groups, metadata
from trivet.domain.volumes.groups import GROUP_TYPES, GroupType
from trivet.errors import Invalid, NotFound
from trivet.store.where import Where

resource = VolumeResource()
_SORTS = {"id": "id", "name": "name", "created_at": "created_at"}
Specs = Annotated[dict[Key, Text], msgspec.Meta(max_length=128)]
SPECS = "/group_types/{group_type_id}/group_specs"


class NewType(Body, frozen=True, kw_only=True):
    name: Name
    description: Text | None = None
    is_public: bool | str = True
    group_specs: Specs = {}


class CreateBody(Loose, frozen=True, kw_only=True):
    group_type: NewType


class Changes(Body, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    is_public: bool | str | UnsetType = UNSET


class UpdateBody(Loose, frozen=True, kw_only=True):
    group_type: Changes


class SpecsBody(Loose, frozen=True, kw_only=True):
    group_specs: Specs


async def _named(request: Request) -> GroupType:
    return await groups.visible_type(request.tx, request.caller, request.values["group_type_id"])


@resource.on("POST", "/group_types", may="admin", since="3.11")
async def create(request: Request) -> Reply:
    said = request.read(CreateBody).group_type
    now = request.tx.clock.now()
    type = GroupType(
        id=request.tx.ids.uuid(),
        name=said.name.strip(),
        description=said.description,
        is_public=flag(said.is_public, "is_public"),
        group_specs=said.group_specs,
        created_at=now,
        updated_at=now,
    )
    return Reply(202, {"group_type": _view(request, await groups.create_type(request.tx, type))})


@resource.on("GET", "/group_types", may="reader", since="3.11")
async def index(request: Request) -> Reply:
    seen = Where() if request.caller.is_operator else Where().equal("is_public", 1)
    where = paging.public_or_not(request, seen.copy())
    found = await paging.find(request, GROUP_TYPES, _SORTS, where, seen=seen)
    return paging.page_of(request, "group_types", "group_types", found, [_view(request, one) for one in found])


@resource.on("GET", "/group_types/default", may="reader", since="3.11")
async def default(request: Request) -> Reply:
    raise NotFound("group_type.no_default", "Default group type can not be found: this cloud has none.")


@resource.on("GET", "/group_types/{group_type_id}", may="reader", since="3.11")
async def show(request: Request) -> Reply:
    return Reply(200, {"group_type": _view(request, await _named(request))})


@resource.on("PUT", "/group_types/{group_type_id}", may="admin", since="3.11")
async def update(request: Request) -> Reply:
    said = request.read(UpdateBody).group_type
    changes: dict[str, Any] = {}
    for name in ("name", "description"):
        if getattr(said, name) is not UNSET:
            changes[name] = getattr(said, name)
    if said.is_public is not UNSET:
        changes["is_public"] = flag(said.is_public, "is_public")
    if not changes:
        raise Invalid("body.invalid", "Specify group type name, description or a combination thereof.")
    type = await groups.change_type(request.tx, await _named(request), **changes)
    return Reply(200, {"group_type": _view(request, type)})


@resource.on("DELETE", "/group_types/{group_type_id}", may="admin", since="3.11")
async def delete(request: Request) -> Reply:
    await groups.delete_type(request.tx, await _named(request))
    return Reply(202)


@resource.on("GET", SPECS, may="operator", since="3.11")
async def list_specs(request: Request) -> Reply:
    return Reply(200, {"group_specs": (await _named(request)).group_specs})


@resource.on("POST", SPECS, may="admin", since="3.11")
async def add_specs(request: Request) -> Reply:
    said = request.read(SpecsBody).group_specs
    type = await _named(request)
    await groups.specify_type(request.tx, type, type.group_specs | said)
    return Reply(202, {"group_specs": said})


@resource.on("GET", SPECS + "/{key}", may="operator", since="3.11")
async def show_spec(request: Request) -> Reply:
    key = request.values["key"]
    return Reply(200, {key: _spec((await _named(request)).group_specs, key)})


@resource.on("PUT", SPECS + "/{key}", may="admin", since="3.11")
async def put_spec(request: Request) -> Reply:
    said, type = one_spec(request), await _named(request)
    await groups.specify_type(request.tx, type, type.group_specs | said)
    return Reply(200, said)


@resource.on("DELETE", SPECS + "/{key}", may="admin", since="3.11")
async def delete_spec(request: Request) -> Reply:
    key, type = request.values["key"], await _named(request)
    _spec(type.group_specs, key)
    await groups.specify_type(request.tx, type, metadata.without(type.group_specs, key))
    return Reply(202)


def _spec(specs: dict[str, str], key: str) -> str:
    if key not in specs:
        raise NotFound("group_type.spec_absent", f"There is no group spec {key[:64]}.")
    return specs[key]


def _view(request: Request, type: GroupType) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": type.id,
        "name": type.name,
        "description": type.description,
        "is_public": type.is_public,
    }
    if request.caller.is_operator:
        view["group_specs"] = type.group_specs
    return view
