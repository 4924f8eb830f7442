"""/flavors: sizes that servers come in. Only their description can be changed (since 2.55)."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType, structs

from trivet.api.compute import pages
from trivet.api.kit import lists
from trivet.api.kit.bodies import Body, Since, Until, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import flavors
from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.errors import Invalid, NotFound
from trivet.store import lists as store_lists
from trivet.store.where import Where

resource = Resource()

_MOST = 0x7FFF_FFFF
Positive = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
NotNegative = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
FlavorName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^\S(.*\S)?\Z")]
FlavorId = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^(?! )[a-zA-Z0-9. _-]+(?<! )\Z")]
Description = Annotated[str, msgspec.Meta(max_length=65535)]

_SORTS = {
    "created_at": "created_at",
    "description": FLAVORS.ordered("description"),
    "disabled": "disabled",
    "ephemeral_gb": "ephemeral_gib",
    "flavorid": "id",
    "id": "id",
    "is_public": "is_public",
    "memory_mb": "ram_mib",
    "name": "name",
    "root_gb": "disk_gib",
    "rxtx_factor": "rxtx_factor",
    "swap": "swap_mib",
    "updated_at": "created_at",
    "vcpu_weight": "id",
    "vcpus": "vcpus",
}
_SORTING = structs.replace(
    pages.SORTING,
    first="flavorid",
    direction="asc",
    ties=(("id", "last"),),
    wrong=lambda why, said, keys: Invalid("query.invalid", f"Cannot sort by {said[:64]!r}."),
)


def _amount(said: str) -> int:
    try:
        number = int(said)
    except ValueError as error:
        raise Invalid("query.invalid", f"Invalid minRam or minDisk filter [{said[:64]}]") from error
    return max(min(number, _MOST), -_MOST)


_FILTERS = {"minRam": lists.at_least("ram_mib", _amount), "minDisk": lists.at_least("disk_gib", _amount)}
_QUERY = {"limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir"}
_LEAN = 2102
"""From this version on, fields that nobody used are gone, and there is a filter by name."""


class FlavorWanted(Body, frozen=True, kw_only=True):
    name: FlavorName
    ram: Positive
    vcpus: Positive
    disk: NotNegative
    id: FlavorId | int | None = None
    ephemeral: NotNegative = msgspec.field(name="OS-FLV-EXT-DATA:ephemeral", default=0)
    swap: NotNegative = 0
    rxtx_factor: Annotated[float | UnsetType, Until("2.101")] = UNSET
    is_public: bool = msgspec.field(name="os-flavor-access:is_public", default=True)
    description: Annotated[Description | UnsetType | None, Since("2.55")] = UNSET


class FlavorCreate(Body, frozen=True, kw_only=True):
    flavor: FlavorWanted


class FlavorDescription(Body, frozen=True, kw_only=True):
    description: Description | None


class FlavorChange(Body, frozen=True, kw_only=True):
    flavor: FlavorDescription


@resource.on("GET", "/v2.1/flavors", may="reader")
async def index(request: Request) -> Reply:
    found = await _find(request)
    return pages.page(request, "flavors", "flavors", found, [_brief(request, flavor) for flavor in found])


@resource.on("GET", "/v2.1/flavors/detail", may="reader")
async def detail(request: Request) -> Reply:
    found = await _find(request)
    return pages.page(request, "flavors", "flavors/detail", found, [shown(request, flavor) for flavor in found])


@resource.on("GET", "/v2.1/flavors/{flavor_id}", may="reader")
async def show(request: Request) -> Reply:
    pages.known(request, set(), since=_LEAN)
    flavor = await flavors.visible(request.tx, request.caller, request.values["flavor_id"])
    return Reply(200, {"flavor": shown(request, flavor)})


@resource.on("POST", "/v2.1/flavors", may="admin")
async def create(request: Request) -> Reply:
    said = request.read(FlavorCreate, strict=False).flavor
    rxtx_factor = 1.0 if said.rxtx_factor is UNSET else said.rxtx_factor
    if not 0 < rxtx_factor < 3.40282e38:
        raise Invalid("body.invalid", "Invalid input for field/attribute rxtx_factor. It must be greater than 0.")
    flavor = await flavors.create(
        request.tx,
        Flavor(
            id=request.parts.ids.uuid() if said.id is None else str(said.id),
            name=said.name,
            vcpus=said.vcpus,
            ram_mib=said.ram,
            disk_gib=said.disk,
            created_at=request.parts.clock.now(),
            ephemeral_gib=said.ephemeral,
            swap_mib=said.swap,
            rxtx_factor=rxtx_factor,
            is_public=said.is_public,
            description=or_none(said.description),
        ),
    )
    return Reply(200, {"flavor": shown(request, flavor)})


@resource.on("PUT", "/v2.1/flavors/{flavor_id}", may="admin", since="2.55")
async def describe(request: Request) -> Reply:
    said = request.read(FlavorChange).flavor
    flavor = await flavors.visible(request.tx, request.caller, request.values["flavor_id"])
    flavor = await flavors.describe(request.tx, flavor, said.description)
    return Reply(200, {"flavor": shown(request, flavor)})


@resource.on("DELETE", "/v2.1/flavors/{flavor_id}", may="admin")
async def delete(request: Request) -> Reply:
    await flavors.delete(request.tx, request.values["flavor_id"])
    return Reply(202)


async def _find(request: Request) -> list[Flavor]:
    pages.known(request, _QUERY | ({"name"} if request.version >= _LEAN else set()), since=2075)
    seen = _visible(request)
    filters = _FILTERS | ({"name": lists.equal("name")} if request.version >= _LEAN else {})
    where = lists.narrow(request, seen.copy(), filters.get)
    keys = {key: column for key, column in _SORTS.items() if key != "rxtx_factor" or request.version < _LEAN}
    asked = pages.asked(request, lists.sort_of(request, _SORTING, keys))
    return await store_lists.page(request.tx, FLAVORS, where, asked, seen=seen)


def _visible(request: Request) -> Where:
    """Operators see the public ones unless they ask otherwise; is_public=None asks for all."""
    if not request.caller.is_operator:
        return flavors.visible_where(request.caller).equal("disabled", 0)
    said = request.asked("is_public")
    where = Where()
    if said is None:
        return where.equal("is_public", 1)
    if said.lower() == "none":
        return where
    if said.lower() not in ("1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no"):
        raise Invalid("query.invalid", f"Invalid is_public filter [{said[:64]}]")
    return where.equal("is_public", int(said.lower() in ("1", "t", "true", "on", "y", "yes")))


def _brief(request: Request, flavor: Flavor) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "links": pages.links(request, "flavors", flavor.id),
    }
    if request.version >= 2055:
        view["description"] = flavor.description
    return view


def shown(request: Request, flavor: Flavor) -> dict[str, Any]:
    view = _brief(request, flavor)
    view |= {
        "ram": flavor.ram_mib,
        "disk": flavor.disk_gib,
        "vcpus": flavor.vcpus,
        "swap": flavor.swap_mib or (0 if request.version >= 2075 else ""),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
        "os-flavor-access:is_public": flavor.is_public,
    }
    if request.version < _LEAN:
        view["OS-FLV-DISABLED:disabled"] = flavor.disabled
        view["rxtx_factor"] = flavor.rxtx_factor
    if request.version >= 2061:
        view["extra_specs"] = flavor.extra_specs
    return view


async def needed(request: Request) -> Flavor:
    """The flavor that the path names; its sub-resources use this, too."""
    flavor = await request.tx.get(FLAVORS, request.values["flavor_id"])
    if flavor is None:
        raise NotFound("flavor.absent", f"Flavor {request.values['flavor_id']} could not be found.")
    return flavor
