"""/v2.0/routers"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets.subnets import Route
from trivet.domain.network.routers import legs, routers
from trivet.domain.network.routers.legs import Attached
from trivet.domain.network.routers.routers import ROUTERS, Router
from trivet.domain.network.words import Id, Text

resource = Resource()


class RouterIn(routers.RouterCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class RouterChange(routers.RouterUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class InterfaceIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subnet_id: Id | None = None
    port_id: Id | None = None


class RoutesIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    routes: tuple[Route, ...]


async def show_all(request: Request, found: Sequence[Router]) -> list[Json]:
    return [_view(router) for router in found]


def _view(router: Router) -> Json:
    gateway = router.gateway
    return {
        "id": router.id,
        "name": router.name,
        "admin_state_up": router.admin_state_up,
        "status": router.status,
        "external_gateway_info": None
        if gateway is None
        else {
            "network_id": gateway.network_id,
            "enable_snat": gateway.enable_snat,
            "external_fixed_ips": gateway.external_fixed_ips,
        },
        "routes": router.routes,
        "availability_zone_hints": router.availability_zone_hints,
        "availability_zones": (DEFAULT_ZONE,),
        "flavor_id": None,
        **bodies.standard(router),
    }


COLLECTION = Collection(
    ROUTERS, "router", "routers", show_all, text=("status", "availability_zone_hints"), flags=("admin_state_up",)
)


@resource.on("GET", "/v2.0/routers", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac_policies.own_of(request.caller))


@resource.on("POST", "/v2.0/routers", may="member")
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, RouterIn, routers.create, routers.before_several)


@resource.on("GET", "/v2.0/routers/{router_id}", may="reader")
async def show(request: Request) -> Reply:
    return await COLLECTION.one(request, await routers.visible(request.tx, request.caller, request.values["router_id"]))


async def _own(request: Request, what: str) -> Router:
    return await routers.own(request.tx, request.caller, request.values["router_id"], what)


@resource.on("PUT", "/v2.0/routers/{router_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, RouterChange, "router")
    router = await _own(request, "update_router")
    bodies.matching(request, router)
    return await COLLECTION.one(request, await routers.update(request.tx, request.caller, router, wanted))


@resource.on("DELETE", "/v2.0/routers/{router_id}", may="member")
async def delete(request: Request) -> Reply:
    router = await _own(request, "delete_router")
    bodies.matching(request, router)
    await routers.delete(request.tx, router)
    return Reply(204)


@resource.on("PUT", "/v2.0/routers/{router_id}/add_router_interface", may="member")
async def add_router_interface(request: Request) -> Reply:
    router = await _own(request, "add_router_interface")
    wanted = request.read(InterfaceIn)
    return _attached(await legs.add_interface(request.tx, request.caller, router, wanted.subnet_id, wanted.port_id))


@resource.on("PUT", "/v2.0/routers/{router_id}/remove_router_interface", may="member")
async def remove_router_interface(request: Request) -> Reply:
    router = await _own(request, "remove_router_interface")
    wanted = request.read(InterfaceIn)
    return _attached(await legs.remove_interface(request.tx, router, wanted.subnet_id, wanted.port_id))


@resource.on("PUT", "/v2.0/routers/{router_id}/add_extraroutes", may="member")
async def add_extraroutes(request: Request) -> Reply:
    router = await _own(request, "add_extraroutes")
    wanted = bodies.one(request, RoutesIn, "router")
    return await COLLECTION.one(request, await routers.change_routes(request.tx, router, add=wanted.routes))


@resource.on("PUT", "/v2.0/routers/{router_id}/remove_extraroutes", may="member")
async def remove_extraroutes(request: Request) -> Reply:
    router = await _own(request, "remove_extraroutes")
    wanted = bodies.one(request, RoutesIn, "router")
    return await COLLECTION.one(request, await routers.change_routes(request.tx, router, drop=wanted.routes))


def _attached(done: Attached) -> Reply:
    return Reply(
        200,
        {
            "id": done.router.id,
            "project_id": done.router.project_id,
            "tenant_id": done.router.project_id,
            "port_id": done.port.id,
            "network_id": done.port.network_id,
            "subnet_id": done.subnet_ids[0],
            "subnet_ids": done.subnet_ids,
        },
    )
