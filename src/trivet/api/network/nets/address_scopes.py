"""/v2.0/address-scopes"""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.api.network.granted import SHARED_FIRST, by_sharing, shared_of
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets import address_scopes
from trivet.domain.network.nets.address_scopes import (
    ADDRESS_SCOPES,
    AddressScope,
    AddressScopeCreate,
    AddressScopeUpdate,
)
from trivet.domain.network.words import Text

resource = Resource()


class AddressScopeIn(AddressScopeCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class AddressScopeChange(AddressScopeUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


async def show_all(request: Request, found: Sequence[AddressScope]) -> list[Json]:
    shared = await shared_of(request, "address_scope", found)
    return [
        {
            "id": scope.id,
            "name": scope.name,
            "ip_version": scope.ip_version,
            "shared": scope.id in shared,
            "project_id": scope.project_id,
            "tenant_id": scope.project_id,
        }
        for scope in found
    ]


COLLECTION = Collection(
    ADDRESS_SCOPES,
    "address_scope",
    "address_scopes",
    show_all,
    numbers=("ip_version",),
    special={"shared": by_sharing("address_scope")},
    sorts={"shared": SHARED_FIRST.format(kind="address_scope", id="address_scopes.id")},
    tagged=False,
)


@resource.on("GET", "/v2.0/address-scopes", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac_policies.seen_by(request.caller, "address_scope"))


@resource.on("POST", "/v2.0/address-scopes", may="member")
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, AddressScopeIn, address_scopes.create)


@resource.on("GET", "/v2.0/address-scopes/{address_scope_id}", may="reader")
async def show(request: Request) -> Reply:
    id = request.values["address_scope_id"]
    return await COLLECTION.one(request, await address_scopes.visible(request.tx, request.caller, id))


@resource.on("PUT", "/v2.0/address-scopes/{address_scope_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, AddressScopeChange, "address_scope")
    scope = await _own(request, "update_address_scope")
    return await COLLECTION.one(request, await address_scopes.update(request.tx, request.caller, scope, wanted))


@resource.on("DELETE", "/v2.0/address-scopes/{address_scope_id}", may="member")
async def delete(request: Request) -> Reply:
    await address_scopes.delete(request.tx, await _own(request, "delete_address_scope"))
    return Reply(204)


async def _own(request: Request, what: str) -> AddressScope:
    return await address_scopes.own(request.tx, request.caller, request.values["address_scope_id"], what)
