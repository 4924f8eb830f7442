"""/v2.0/address-groups"""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies, listing
from trivet.api.network.granted import by_sharing
from trivet.api.network.listing import Collection, Json
from trivet.clock import iso
from trivet.domain import address_groups, rbac
from trivet.domain.address_groups import ADDRESS_GROUPS, AddressGroup, AddressGroupCreate, AddressGroupUpdate
from trivet.domain.network_words import Text

resource = Resource()


class AddressGroupIn(AddressGroupCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class AddressGroupChange(AddressGroupUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class AddressesIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    addresses: tuple[Text, ...]


async def show_all(request: Request, found: Sequence[AddressGroup]) -> list[Json]:
    only = found[0].id if len(found) == 1 else None
    shared = await rbac.shared_with(request.tx, request.caller, "address_group", only) if found else set()
    return [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "addresses": group.addresses,
            "shared": group.id in shared,
            "created_at": iso(group.created_at),
            "updated_at": iso(group.updated_at),
            "revision_number": group.revision,
            "project_id": group.project_id,
            "tenant_id": group.project_id,
        }
        for group in found
    ]


COLLECTION = Collection(
    ADDRESS_GROUPS, "address_groups", show_all, special={"shared": by_sharing("address_group")}, tagged=False
)


@resource.on("GET", "/v2.0/address-groups", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac.seen_by(request.caller, "address_group"))


@resource.on("POST", "/v2.0/address-groups", may="member")
async def create(request: Request) -> Reply:
    async def make(wanted: AddressGroupIn) -> AddressGroup:
        return await address_groups.create(request.tx, request.caller, bodies.owned(wanted))

    return await bodies.created(request, AddressGroupIn, ("address_group", "address_groups"), make, show_all)


@resource.on("GET", "/v2.0/address-groups/{address_group_id}", may="reader")
async def show(request: Request) -> Reply:
    id = request.values["address_group_id"]
    return await _one(request, await address_groups.visible(request.tx, request.caller, id))


@resource.on("PUT", "/v2.0/address-groups/{address_group_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, AddressGroupChange, "address_group")
    group = await _own(request)
    return await _one(request, await address_groups.update(request.tx, group, wanted))


@resource.on("PUT", "/v2.0/address-groups/{address_group_id}/add_addresses", may="member")
async def add_addresses(request: Request) -> Reply:
    group = await _own(request)
    return await _one(request, await address_groups.add(request.tx, group, request.read(AddressesIn).addresses))


@resource.on("PUT", "/v2.0/address-groups/{address_group_id}/remove_addresses", may="member")
async def remove_addresses(request: Request) -> Reply:
    group = await _own(request)
    return await _one(request, await address_groups.take_out(request.tx, group, request.read(AddressesIn).addresses))


@resource.on("DELETE", "/v2.0/address-groups/{address_group_id}", may="member")
async def delete(request: Request) -> Reply:
    await address_groups.delete(request.tx, await _own(request))
    return Reply(204)


async def _own(request: Request) -> AddressGroup:
    return await address_groups.own(request.tx, request.caller, request.values["address_group_id"])


async def _one(request: Request, group: AddressGroup) -> Reply:
    shown = await show_all(request, [group])
    return Reply(200, {"address_group": listing.cut(shown[0], listing.fields_of(request))})
