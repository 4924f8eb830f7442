"""Metadata: the routes under which a tenant hangs words on a thing, declared once for all things that have them."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler
from trivet.api.volume.bodies import Loose, Metadata
from trivet.api.volume.paths import VolumeResource
from trivet.domain.volumes import metadata
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx


class Described(Protocol):
    @property
    def metadata(self) -> dict[str, str]: ...


T = TypeVar("T", bound=Described)


class MetadataBody(Loose, frozen=True, kw_only=True):
    metadata: Metadata


class ItemBody(Loose, frozen=True, kw_only=True):
    meta: Metadata


def declare(
    resource: VolumeResource,
    path: str,
    owner: str,
    *,
    visible: Callable[[Request], Awaitable[T]],
    changeable: Callable[[Request], Awaitable[T]],
    write: Callable[[Tx, T, dict[str, str]], Awaitable[object]],
) -> Handler:
    """GET, POST and PUT of all words, and GET, PUT and DELETE of one. Returns what shows one, for a path of old."""

    async def written(request: Request, said: dict[str, str], *, keep: bool) -> Reply:
        found = await changeable(request)
        wanted = metadata.bounded((found.metadata if keep else {}) | said, owner, "items of metadata")
        await write(request.tx, found, wanted)
        return Reply(200, {"metadata": wanted})

    @resource.on("GET", path, may="reader")
    async def index(request: Request) -> Reply:
        return Reply(200, {"metadata": (await visible(request)).metadata})

    @resource.on("POST", path, may="member")
    async def add(request: Request) -> Reply:
        return await written(request, request.read(MetadataBody).metadata, keep=True)

    @resource.on("PUT", path, may="member")
    async def replace(request: Request) -> Reply:
        return await written(request, request.read(MetadataBody).metadata, keep=False)

    @resource.on("GET", f"{path}/{{key}}", may="reader")
    async def show(request: Request) -> Reply:
        key = request.values["key"]
        return Reply(200, {"meta": {key: _word((await visible(request)).metadata, key)}})

    @resource.on("PUT", f"{path}/{{key}}", may="member")
    async def put(request: Request) -> Reply:
        said = request.read(ItemBody).meta
        if set(said) != {request.values["key"]}:
            raise Invalid("metadata.key", "Request body and URI mismatch: the one item must be named as in the path.")
        await written(request, said, keep=True)
        return Reply(200, {"meta": said})

    @resource.on("DELETE", f"{path}/{{key}}", may="member")
    async def delete(request: Request) -> Reply:
        found, key = await changeable(request), request.values["key"]
        _word(found.metadata, key)
        await write(request.tx, found, metadata.without(found.metadata, key))
        return Reply(200)

    return show


def _word(words: dict[str, str], key: str) -> str:
    if key not in words:
        raise NotFound("metadata.absent", f"There is no metadata with key {key[:64]}.")
    return words[key]
