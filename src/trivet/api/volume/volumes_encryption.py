"""/volumes/{volume_id}/encryption: how a volume is encrypted, and which secret opens it."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.volumes import visible
from trivet.domain.volumes.types import TYPES
from trivet.errors import NotFound

resource = VolumeResource()
PATH = "/volumes/{volume_id}/encryption"


@resource.on("GET", PATH, may="reader")
async def index(request: Request) -> Reply:
    return Reply(200, await _view(request))


@resource.on("GET", PATH + "/{key}", may="reader")
async def show(request: Request) -> Reply:
    """A bare word, as clients of this call know it."""
    view, key = await _view(request), request.values["key"]
    if key not in view:
        raise NotFound("encryption.absent", f"The volume's encryption has no {key[:64]}.")
    return Reply(200, str(view[key]).encode(), content_type="text/plain")


async def _view(request: Request) -> dict[str, Any]:
    volume = await visible(request)
    type = await request.tx.get(TYPES, volume.type_id) if volume.type_id is not None else None
    said = type.encryption if type is not None else None
    if volume.encryption_key_id is None or said is None:
        return {"encryption_key_id": None}
    return {
        "encryption_key_id": volume.encryption_key_id,
        "provider": said.provider,
        "cipher": said.cipher,
        "key_size": said.key_size,
        "control_location": said.control_location,
    }
