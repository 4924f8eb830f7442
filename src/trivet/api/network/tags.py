"""/v2.0/{collection}/{id}/tags, alike for everything that has tags."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.callers import Caller
from trivet.domain.network import rbac_policies, tags
from trivet.domain.network.groups import security_groups
from trivet.domain.network.nets import networks, subnet_pools, subnets
from trivet.domain.network.ports import ports
from trivet.domain.network.routers import floating_ips, routers
from trivet.errors import NotFound
from trivet.store.tables import Table
from trivet.store.tx import Tx

resource = Resource()

_KINDS: dict[str, tuple[Table[Any], Callable[[Tx, Caller, str], Awaitable[Any]]]] = {
    "networks": (networks.NETWORKS, networks.visible),
    "subnets": (subnets.SUBNETS, subnets.visible),
    "ports": (ports.PORTS, ports.visible),
    "subnetpools": (subnet_pools.SUBNET_POOLS, subnet_pools.visible),
    "routers": (routers.ROUTERS, routers.visible),
    "floatingips": (floating_ips.FLOATING_IPS, floating_ips.visible),
    "security-groups": (security_groups.SECURITY_GROUPS, security_groups.visible),
}
_ALL = "/v2.0/{collection}/{resource_id}/tags"
_ONE = "/v2.0/{collection}/{resource_id}/tags/{tag}"


class TagsIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tags: tuple[str, ...]


async def _record(request: Request) -> tuple[Table[Any], Any]:
    known = _KINDS.get(request.values["collection"])
    if known is None:
        raise NotFound("route.absent", "The resource could not be found.")
    table, visible = known
    return table, await visible(request.tx, request.caller, request.values["resource_id"])


async def _put(request: Request, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[str, ...]:
    table, record = await _record(request)
    rbac_policies.must_own(request.caller, record.project_id, "update_tags")
    wanted = change(record.tags)
    if wanted == record.tags:
        return wanted
    written: tuple[str, ...] = (await tags.put(request.tx, table, record, wanted)).tags
    return written


def _absent(tag: str) -> NotFound:
    return NotFound("tag.absent", f"Tag {tag[:64]} could not be found.")


@resource.on("GET", _ALL, may="reader")
async def index(request: Request) -> Reply:
    _, record = await _record(request)
    return Reply(200, {"tags": record.tags})


@resource.on("PUT", _ALL, may="member")
async def replace(request: Request) -> Reply:
    wanted = request.read(TagsIn).tags
    return Reply(200, {"tags": await _put(request, lambda old: tuple(sorted(set(wanted))))})


@resource.on("POST", _ALL, may="member")
async def add_several(request: Request) -> Reply:
    wanted = request.read(TagsIn).tags
    return Reply(200, {"tags": await _put(request, lambda old: tuple(sorted({*old, *wanted})))})


@resource.on("DELETE", _ALL, may="member")
async def delete_all(request: Request) -> Reply:
    await _put(request, lambda old: ())
    return Reply(204)


@resource.on("GET", _ONE, may="reader")
async def show(request: Request) -> Reply:
    _, record = await _record(request)
    if request.values["tag"] not in record.tags:
        raise _absent(request.values["tag"])
    return Reply(204)


@resource.on("PUT", _ONE, may="member")
async def add(request: Request) -> Reply:
    tag = request.values["tag"]
    await _put(request, lambda old: old if tag in old else tuple(sorted({*old, tag})))
    return Reply(201)


@resource.on("DELETE", _ONE, may="member")
async def delete(request: Request) -> Reply:
    tag = request.values["tag"]

    def without(old: tuple[str, ...]) -> tuple[str, ...]:
        if tag not in old:
            raise _absent(tag)
        return tuple(other for other in old if other != tag)

    await _put(request, without)
    return Reply(204)
