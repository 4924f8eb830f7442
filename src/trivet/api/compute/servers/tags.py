"""/servers/{id}/tags, since 2.26."""

from typing import Annotated

import msgspec

from trivet.api.compute.servers.bodies import Tag
from trivet.api.compute.servers.servers import call_of, server_id, visible
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import changes as server_changes
from trivet.domain.servers.servers import Server
from trivet.errors import Invalid, NotFound

resource = Resource()
PATH = "/v2.1/servers/{server_id}/tags"
_TAGS_MAX = 50
_TAG_MAX = 60


class TagsBody(Body, frozen=True, kw_only=True):
    tags: Annotated[list[Tag], msgspec.Meta(max_length=_TAGS_MAX)]


@resource.on("GET", PATH, may="reader", since="2.26")
async def list_tags(request: Request) -> Reply:
    return Reply(200, {"tags": (await visible(request)).tags})


@resource.on("PUT", PATH, may="member", since="2.26")
async def replace(request: Request) -> Reply:
    said = request.read(TagsBody).tags
    server = await _set(request, tuple(dict.fromkeys(said)))
    return Reply(200, {"tags": server.tags})


@resource.on("DELETE", PATH, may="member", since="2.26")
async def delete_all(request: Request) -> Reply:
    await _set(request, ())
    return Reply(204)


@resource.on("GET", PATH + "/{tag}", may="reader", since="2.26")
async def check(request: Request) -> Reply:
    server = await visible(request)
    _need(server, request.values["tag"])
    return Reply(204)


@resource.on("PUT", PATH + "/{tag}", may="member", since="2.26")
async def add(request: Request) -> Reply:
    tag = request.values["tag"]
    if not 0 < len(tag) <= _TAG_MAX or "," in tag:
        raise Invalid(
            "tag.invalid", f"Tag '{tag[:64]}' is invalid. It must be 1 to 60 characters, without ',' and '/'."
        )
    server = await visible(request)
    if tag in server.tags:
        return Reply(204)
    if len(server.tags) >= _TAGS_MAX:
        raise Invalid("tag.too_many", f"The number of tags exceeded the per-server limit {_TAGS_MAX}")
    server = await _set(request, (*server.tags, tag))
    href = f"{request.url}/v2.1/servers/{server.id}/tags/{tag}"
    return Reply(201, None, [(b"location", href.encode())])


@resource.on("DELETE", PATH + "/{tag}", may="member", since="2.26")
async def delete(request: Request) -> Reply:
    server, tag = await visible(request), request.values["tag"]
    _need(server, tag)
    await _set(request, tuple(known for known in server.tags if known != tag))
    return Reply(204)


async def _set(request: Request, tags: tuple[str, ...]) -> Server:
    return await server_changes.set_tags(request.tx, call_of(request), server_id(request), tags)


def _need(server: Server, tag: str) -> None:
    if tag not in server.tags:
        raise NotFound("tag.absent", f"Server {server.id} has no tag '{tag[:64]}'")
