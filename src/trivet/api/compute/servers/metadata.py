"""/servers/{id}/metadata: words that a tenant keeps with a server, which the guest sees too."""

from msgspec import field

from trivet.api.compute import quota_words
from trivet.api.compute.servers.bodies import Metadata, metadata_within
from trivet.api.compute.servers.servers import call_of, server_id, visible
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.domain.servers import changes as server_changes
from trivet.domain.servers.servers import Server
from trivet.errors import Invalid, NotFound

resource = Resource()
PATH = "/v2.1/servers/{server_id}/metadata"


class MetadataBody(Body, frozen=True, kw_only=True):
    metadata: Metadata


class ItemBody(Body, frozen=True, kw_only=True):
    item: Metadata = field(name="meta")


@resource.on("GET", PATH, may="reader")
async def list_metadata(request: Request) -> Reply:
    return Reply(200, {"metadata": (await visible(request)).metadata})


@resource.on("POST", PATH, may="member", body_max=LONG_BODY_MAX)
async def merge(request: Request) -> Reply:
    said = request.read(MetadataBody).metadata
    server = await _changed(request, said, keep=True)
    return Reply(200, {"metadata": server.metadata})


@resource.on("PUT", PATH, may="member", body_max=LONG_BODY_MAX)
async def replace(request: Request) -> Reply:
    said = request.read(MetadataBody).metadata
    server = await _changed(request, said, keep=False)
    return Reply(200, {"metadata": server.metadata})


@resource.on("GET", PATH + "/{key}", may="reader")
async def show_item(request: Request) -> Reply:
    server, key = await visible(request), request.values["key"]
    if key not in server.metadata:
        raise _absent()
    return Reply(200, {"meta": {key: server.metadata[key]}})


@resource.on("PUT", PATH + "/{key}", may="member")
async def put_item(request: Request) -> Reply:
    said, key = request.read(ItemBody).item, request.values["key"]
    if len(said) != 1:
        raise Invalid("body.invalid", "Request body contains too many items")
    if key not in said:
        raise Invalid("body.invalid", "Request body and URI mismatch")
    await _changed(request, said, keep=True)
    return Reply(200, {"meta": said})


@resource.on("DELETE", PATH + "/{key}", may="member")
async def delete_item(request: Request) -> Reply:
    key = request.values["key"]
    if key not in (await visible(request)).metadata:
        raise _absent()
    await server_changes.set_metadata(request.tx, call_of(request), server_id(request), {}, dropped=key)
    return Reply(204)


async def _changed(request: Request, said: dict[str, str], *, keep: bool) -> Server:
    most = await quota_words.metadata_most(request)
    before = (await visible(request)).metadata if keep else {}
    metadata_within(before | said, most)
    return await server_changes.set_metadata(request.tx, call_of(request), server_id(request), said, keep=keep)


def _absent() -> NotFound:
    return NotFound("metadata.absent", "Metadata item was not found")
