"""/deleted_volumes: ours. Volumes that were deleted and whose data are still kept: seen, brought back, or purged."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging, views
from trivet.api.volume.paths import VolumeResource, links
from trivet.clock import iso_micros
from trivet.domain.volumes import deleted_volumes, limits
from trivet.domain.volumes.deleted_volumes import DELETED_VOLUMES, DeletedVolume

resource = VolumeResource()
_SORTS = {"id": "id", "size": "size_gib", "deleted_at": "deleted_at", "created_at": "deleted_at"}


@resource.on("GET", "/deleted_volumes", may="reader")
async def index(request: Request) -> Reply:
    seen = paging.scoped(request)
    where = seen.copy().add("purge_at > ?", request.parts.clock.now())
    found = await paging.find(request, DELETED_VOLUMES, _SORTS, where, seen=seen)
    listed = [_view(request, kept) for kept in found]
    return paging.page_of(request, "deleted_volumes", "deleted_volumes", found, listed)


@resource.on("GET", "/deleted_volumes/{deleted_volume_id}", may="reader")
async def show(request: Request) -> Reply:
    kept = await deleted_volumes.visible(request.tx, request.caller, request.values["deleted_volume_id"])
    return Reply(200, {"deleted_volume": _view(request, kept)})


@resource.on("POST", "/deleted_volumes/{deleted_volume_id}/restore", may="member")
async def restore(request: Request) -> Reply:
    volume = await deleted_volumes.restore(request.tx, request.caller, request.values["deleted_volume_id"])
    await limits.settled(request.tx)
    return Reply(202, {"volume": await views.written(request, volume)})


@resource.on("DELETE", "/deleted_volumes/{deleted_volume_id}", may="member")
async def purge(request: Request) -> Reply:
    await deleted_volumes.purge(request.tx, request.caller, request.values["deleted_volume_id"])
    return Reply(202)


def _view(request: Request, kept: DeletedVolume) -> dict[str, Any]:
    return {
        "id": kept.id,
        "name": kept.volume.name,
        "description": kept.volume.description,
        "size": kept.size_gib,
        "metadata": kept.volume.metadata,
        "bootable": kept.volume.bootable,
        "encrypted": kept.volume.encryption_key_id is not None,
        "project_id": kept.project_id,
        "deleted_at": iso_micros(kept.deleted_at),
        "purge_at": iso_micros(kept.purge_at),
        "links": links(request, "deleted_volumes", kept.id),
    }
