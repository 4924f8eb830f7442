"""/v2.0/subnetpools"""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.api.network.granted import SHARED_FIRST, by_sharing, shared_of
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets import subnet_pools
from trivet.domain.network.nets.subnet_pools import SUBNET_POOLS, SubnetPool, SubnetPoolCreate, SubnetPoolUpdate
from trivet.domain.network.words import Text

resource = Resource()


class SubnetPoolIn(SubnetPoolCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class SubnetPoolChange(SubnetPoolUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class PrefixesIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prefixes: tuple[Text, ...]


async def show_all(request: Request, found: Sequence[SubnetPool]) -> list[Json]:
    shared = await shared_of(request, "subnetpool", found)
    return [_view(pool, shared=pool.id in shared) for pool in found]


def _view(pool: SubnetPool, *, shared: bool) -> Json:
    return {
        "id": pool.id,
        "name": pool.name,
        "ip_version": pool.ip_version,
        "prefixes": pool.prefixes,
        # Strings upstream, and so for everybody who compares them.
        "default_prefixlen": str(pool.default_prefixlen),
        "min_prefixlen": str(pool.min_prefixlen),
        "max_prefixlen": str(pool.max_prefixlen),
        "default_quota": pool.default_quota,
        "is_default": pool.is_default,
        "shared": shared,
        "address_scope_id": pool.address_scope_id,
        **bodies.standard(pool),
    }


COLLECTION = Collection(
    SUBNET_POOLS,
    "subnetpool",
    "subnetpools",
    show_all,
    text=("address_scope_id",),
    flags=("is_default",),
    numbers=("ip_version", "default_prefixlen", "min_prefixlen", "max_prefixlen", "default_quota"),
    special={"shared": by_sharing("subnetpool")},
    sorts={"shared": SHARED_FIRST.format(kind="subnetpool", id="subnet_pools.id")},
)


@resource.on("GET", "/v2.0/subnetpools", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac_policies.seen_by(request.caller, "subnetpool"))


@resource.on("POST", "/v2.0/subnetpools", may="member")
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, SubnetPoolIn, subnet_pools.create)


@resource.on("GET", "/v2.0/subnetpools/{subnetpool_id}", may="reader")
async def show(request: Request) -> Reply:
    id = request.values["subnetpool_id"]
    return await COLLECTION.one(request, await subnet_pools.visible(request.tx, request.caller, id))


@resource.on("PUT", "/v2.0/subnetpools/{subnetpool_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, SubnetPoolChange, "subnetpool")
    pool = await _own(request, "update_subnetpool")
    bodies.matching(request, pool)
    return await COLLECTION.one(request, await subnet_pools.update(request.tx, request.caller, pool, wanted))


@resource.on("DELETE", "/v2.0/subnetpools/{subnetpool_id}", may="member")
async def delete(request: Request) -> Reply:
    pool = await _own(request, "delete_subnetpool")
    bodies.matching(request, pool)
    await subnet_pools.delete(request.tx, pool)
    return Reply(204)


@resource.on("PUT", "/v2.0/subnetpools/{subnetpool_id}/add_prefixes", may="member")
async def add_prefixes(request: Request) -> Reply:
    pool = await _own(request, "add_prefixes")
    wanted = request.read(PrefixesIn)
    grown = SubnetPoolUpdate(prefixes=(*pool.prefixes, *wanted.prefixes))
    written = await subnet_pools.update(request.tx, request.caller, pool, grown)
    return Reply(200, {"prefixes": written.prefixes})


@resource.on("PUT", "/v2.0/subnetpools/{subnetpool_id}/remove_prefixes", may="member")
async def remove_prefixes(request: Request) -> Reply:
    pool = await _own(request, "remove_prefixes")
    wanted = request.read(PrefixesIn)
    return Reply(200, {"prefixes": (await subnet_pools.shrink(request.tx, pool, wanted.prefixes)).prefixes})


async def _own(request: Request, what: str) -> SubnetPool:
    return await subnet_pools.own(request.tx, request.caller, request.values["subnetpool_id"], what)
