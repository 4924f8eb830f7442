"""/volumes/{id}/metadata: words that a tenant hangs on a volume."""

from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import Loose, Metadata
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.volumes import changeable, visible
from trivet.domain.volumes import metadata, volumes
from trivet.errors import Invalid, NotFound

resource = VolumeResource()
PATH = "/volumes/{volume_id}/metadata"


class MetadataBody(Loose, frozen=True, kw_only=True):
    metadata: Metadata


class ItemBody(Loose, frozen=True, kw_only=True):
    meta: Metadata


@resource.on("GET", PATH, may="reader")
async def index(request: Request) -> Reply:
    return Reply(200, {"metadata": (await visible(request)).metadata})


@resource.on("POST", PATH, may="member")
async def add(request: Request) -> Reply:
    return await _write(request, request.read(MetadataBody).metadata, keep=True)


@resource.on("PUT", PATH, may="member")
async def replace(request: Request) -> Reply:
    return await _write(request, request.read(MetadataBody).metadata, keep=False)


async def _write(request: Request, said: dict[str, str], *, keep: bool) -> Reply:
    volume = await changeable(request)
    wanted = metadata.bounded((volume.metadata if keep else {}) | said, "A volume", "items of metadata")
    await volumes.change(request.tx, volume, metadata=wanted)
    return Reply(200, {"metadata": wanted})


@resource.on("GET", PATH + "/{key}", may="reader")
async def show(request: Request) -> Reply:
    key = request.values["key"]
    return Reply(200, {"meta": {key: item_of((await visible(request)).metadata, key)}})


@resource.on("PUT", PATH + "/{key}", may="member")
async def put(request: Request) -> Reply:
    said, key = request.read(ItemBody).meta, request.values["key"]
    check_item(said, key)
    await _write(request, said, keep=True)
    return Reply(200, {"meta": said})


@resource.on("DELETE", PATH + "/{key}", may="member")
async def delete(request: Request) -> Reply:
    volume, key = await changeable(request), request.values["key"]
    item_of(volume.metadata, key)
    await volumes.change(request.tx, volume, metadata=metadata.without(volume.metadata, key))
    return Reply(200)


def item_of(metadata: dict[str, str], key: str) -> str:
    if key not in metadata:
        raise NotFound("metadata.absent", f"There is no metadata with key {key[:64]}.")
    return metadata[key]


def check_item(said: dict[str, str], key: str) -> None:
    if set(said) != {key}:
        raise Invalid("metadata.key", "Request body and URI mismatch: the one item must be named as in the path.")
