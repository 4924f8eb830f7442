"""/v2.0/address-groups"""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.api.network.granted import SHARED_FIRST, by_sharing, shared_of
from trivet.domain.network import rbac_policies
from trivet.domain.network.groups import address_groups
from trivet.domain.network.groups.address_groups import (
    ADDRESS_GROUPS,
    AddressGroup,
    AddressGroupCreate,
    AddressGroupUpdate,
)
from trivet.domain.network.words import Text

resource = Resource()


class AddressGroupIn(AddressGroupCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class AddressGroupChange(AddressGroupUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class AddressesIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    addresses: tuple[Text, ...]


async def show_all(request: Request, found: Sequence[AddressGroup]) -> list[Json]:
    shared = await shared_of(request, "address_group", found)
    return [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "addresses": group.addresses,
            "shared": group.id in shared,
            **bodies.stamped(group),
        }
        for group in found
    ]


COLLECTION = Collection(
    ADDRESS_GROUPS,
    "address_group",
    "address_groups",
    show_all,
    special={"shared": by_sharing("address_group")},
    sorts={"shared": SHARED_FIRST.format(kind="address_group", id="address_groups.id")},
    tagged=False,
)


@resource.on("GET", "/v2.0/address-groups", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac_policies.seen_by(request.caller, "address_group"))


@resource.on("POST", "/v2.0/address-groups", may="member", body_max=LONG_BODY_MAX)
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, AddressGroupIn, address_groups.create)


@resource.on("GET", "/v2.0/address-groups/{address_group_id}", may="reader")
async def show(request: Request) -> Reply:
    id = request.values["address_group_id"]
    return await COLLECTION.one(request, await address_groups.visible(request.tx, request.caller, id))


@resource.on("PUT", "/v2.0/address-groups/{address_group_id}", may="member", body_max=LONG_BODY_MAX)
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, AddressGroupChange, "address_group")
    group = await _own(request)
    return await COLLECTION.one(request, await address_groups.update(request.tx, group, wanted))


@resource.on("PUT", "/v2.0/address-groups/{address_group_id}/add_addresses", may="member", body_max=LONG_BODY_MAX)
async def add_addresses(request: Request) -> Reply:
    group = await _own(request)
    return await COLLECTION.one(
        request, await address_groups.add(request.tx, group, request.read(AddressesIn).addresses)
    )


@resource.on("PUT", "/v2.0/address-groups/{address_group_id}/remove_addresses", may="member", body_max=LONG_BODY_MAX)
async def remove_addresses(request: Request) -> Reply:
    group = await _own(request)
    return await COLLECTION.one(
        request, await address_groups.take_out(request.tx, group, request.read(AddressesIn).addresses)
    )


@resource.on("DELETE", "/v2.0/address-groups/{address_group_id}", may="member")
async def delete(request: Request) -> Reply:
    await address_groups.delete(request.tx, await _own(request))
    return Reply(204)


async def _own(request: Request) -> AddressGroup:
    return await address_groups.own(request.tx, request.caller, request.values["address_group_id"])
