"""/os-aggregates: groups of hosts, and the availability zones that they make."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import pages
from trivet.api.kit.bodies import Body, Name, Text
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.hosts import aggregates
from trivet.domain.hosts.aggregates import ZONE_KEY, Aggregate
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid
from trivet.ids import is_uuid

resource = Resource()

ZoneName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^:]*\Z")]
Key = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9-_:. ]{1,255}\Z")]


class AggregateWanted(Body, frozen=True, kw_only=True):
    name: Name
    availability_zone: ZoneName | None = None


class AggregateCreate(Body, frozen=True, kw_only=True):
    aggregate: AggregateWanted


class AggregateFields(Body, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET
    availability_zone: ZoneName | UnsetType | None = UNSET


class AggregateChange(Body, frozen=True, kw_only=True):
    aggregate: AggregateFields


class HostNamed(Body, frozen=True, kw_only=True):
    host: Name


class AddHost(Body, frozen=True, kw_only=True):
    add_host: HostNamed


class RemoveHost(Body, frozen=True, kw_only=True):
    remove_host: HostNamed


class Metadata(Body, frozen=True, kw_only=True):
    metadata: dict[Key, Text | None]


class SetMetadata(Body, frozen=True, kw_only=True):
    set_metadata: Metadata


class CachedImage(Body, frozen=True, kw_only=True):
    id: str


class CacheImages(Body, frozen=True, kw_only=True):
    cache: Annotated[list[CachedImage], msgspec.Meta(min_length=1)]


@resource.on("GET", "/v2.1/os-aggregates", may="operator")
async def index(request: Request) -> Reply:
    pages.known(request, set(), since=2102)
    found = await aggregates.find_all(request.tx)
    names = await aggregates.host_names(request.tx, found)
    return Reply(200, {"aggregates": [_shown(request, aggregate, names) for aggregate in found]})


@resource.on("POST", "/v2.1/os-aggregates", may="admin")
async def create(request: Request) -> Reply:
    said = request.read(AggregateCreate).aggregate
    zone = said.availability_zone.strip() if said.availability_zone is not None else None
    aggregate = await aggregates.create(request.tx, _stripped(said.name), zone)
    view = _shown(request, aggregate, {})
    del view["hosts"], view["metadata"]
    return Reply(200, {"aggregate": view})


@resource.on("GET", "/v2.1/os-aggregates/{aggregate_id}", may="operator")
async def show(request: Request) -> Reply:
    return await _reply(request, await _needed(request))


@resource.on("PUT", "/v2.1/os-aggregates/{aggregate_id}", may="admin")
async def change(request: Request) -> Reply:
    said = request.read(AggregateChange).aggregate
    if said.name is UNSET and said.availability_zone is UNSET:
        raise Invalid("body.invalid", "Invalid input: name or availability_zone is required.")
    aggregate = await _needed(request)
    if said.name is not UNSET:
        aggregate = await aggregates.rename(request.tx, aggregate, _stripped(said.name))
    if said.availability_zone is not UNSET:
        aggregate = await aggregates.set_metadata(request.tx, aggregate, {ZONE_KEY: said.availability_zone})
    return await _reply(request, aggregate)


@resource.on("DELETE", "/v2.1/os-aggregates/{aggregate_id}", may="admin")
async def delete(request: Request) -> Reply:
    await aggregates.delete(request.tx, await _needed(request))
    return Reply(200)


@resource.action("/v2.1/os-aggregates/{aggregate_id}/action", "add_host", may="admin")
async def add_host(request: Request) -> Reply:
    name = request.read(AddHost).add_host.host
    return await _reply(request, await aggregates.add_host(request.tx, await _needed(request), name))


@resource.action("/v2.1/os-aggregates/{aggregate_id}/action", "remove_host", may="admin")
async def remove_host(request: Request) -> Reply:
    name = request.read(RemoveHost).remove_host.host
    return await _reply(request, await aggregates.remove_host(request.tx, await _needed(request), name))


@resource.action("/v2.1/os-aggregates/{aggregate_id}/action", "set_metadata", may="admin")
async def set_metadata(request: Request) -> Reply:
    said: dict[str, str | None] = dict(request.read(SetMetadata).set_metadata.metadata)
    return await _reply(request, await aggregates.set_metadata(request.tx, await _needed(request), said))


@resource.on("POST", "/v2.1/os-aggregates/{aggregate_id}/images", may="admin", since="2.81")
async def cache_images(request: Request) -> Reply:
    """Hosts fetch an image when its first server comes; asking for it earlier is a wish, and granted as one."""
    ids = [image.id for image in request.read(CacheImages).cache]
    if len(ids) != len(set(ids)):
        raise Invalid("body.invalid", "Duplicate images in request")
    for id in ids:
        if not is_uuid(id):
            raise Invalid("body.invalid", f"Invalid input: {id[:64]!r} is not a 'uuid'.")
    await _needed(request)
    return Reply(202)


def _stripped(name: str) -> str:
    bare = name.strip()
    if not bare:
        raise Invalid("body.invalid", "Invalid input: name must not be empty.")
    return bare


async def _needed(request: Request) -> Aggregate:
    said = request.values["aggregate_id"]
    number = whole_number(said.removeprefix("-"))
    if number is None:
        raise Invalid("aggregate.id", f"Invalid input received: {said[:64]!r} is not the number of an aggregate.")
    return await aggregates.need(request.tx, -number if said.startswith("-") else number)


async def _reply(request: Request, aggregate: Aggregate) -> Reply:
    names = await aggregates.host_names(request.tx, [aggregate])
    return Reply(200, {"aggregate": _shown(request, aggregate, names)})


def _shown(request: Request, aggregate: Aggregate, names: dict[str, str]) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": aggregate.number,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "hosts": [names[id] for id in aggregate.hosts if id in names],
        "metadata": aggregate.metadata,
        "created_at": iso_micros(aggregate.created_at),
        "updated_at": iso_micros(aggregate.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    if request.version >= 2041:
        view["uuid"] = aggregate.id
    return view
