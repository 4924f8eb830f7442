"""/os-volumes, until 2.35: the volume service's own, in nova's words."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import pages
from trivet.api.kit.bodies import Body, Text, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.volumes import acts, attachments, limits, volumes
from trivet.domain.volumes.attachments import Attachment
from trivet.domain.volumes.create import VolumeCreate
from trivet.domain.volumes.create import create as create_volume
from trivet.domain.volumes.types import TYPES
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.errors import Invalid
from trivet.store import lists
from trivet.store.where import Where

resource = Resource()
LAST = "2.35"
_GIB_MAX = 2**31 - 1


class VolumeWanted(Body, frozen=True, kw_only=True):
    size: int | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,10}\Z")]
    volume_type: Text | UnsetType | None = UNSET
    metadata: dict[Text, Text] | UnsetType | None = UNSET
    snapshot_id: Text | UnsetType | None = UNSET
    availability_zone: Text | UnsetType | None = UNSET
    display_name: Text | UnsetType | None = UNSET
    display_description: Text | UnsetType | None = UNSET


class CreateBody(Body, frozen=True, kw_only=True):
    volume: VolumeWanted


@resource.on("GET", "/v2.1/os-volumes", may="reader", until=LAST)
async def index(request: Request) -> Reply:
    where = Where().equal("project_id", request.caller.project_id or "")
    asked = pages.by_offset(request, (("created_at", True), ("id", True)))
    return Reply(
        200, {"volumes": await _shown(request, await lists.page(request.tx, VOLUMES, where, asked, seen=where))}
    )


@resource.on("GET", "/v2.1/os-volumes/detail", may="reader", until=LAST)
async def detail(request: Request) -> Reply:
    return await index(request)


@resource.on("GET", "/v2.1/os-volumes/{volume_id}", may="reader", until=LAST)
async def show(request: Request) -> Reply:
    found = await volumes.visible(request.tx, request.caller, request.values["volume_id"])
    return Reply(200, {"volume": (await _shown(request, [found]))[0]})


@resource.on("POST", "/v2.1/os-volumes", may="member", until=LAST)
async def create(request: Request) -> Reply:
    said = request.read(CreateBody).volume
    size = int(said.size)
    if not 1 <= size <= _GIB_MAX:
        raise Invalid("volume.size", f"Invalid input received: volume size must be a positive integer, not {size}.")
    wanted = VolumeCreate(
        size_gib=size,
        name=or_none(said.display_name),
        description=or_none(said.display_description),
        type=or_none(said.volume_type) or None,
        zone=or_none(said.availability_zone),
        image_id=None,
        snapshot_id=or_none(said.snapshot_id),
        source_volume_id=None,
        metadata=or_none(said.metadata) or {},
        group_id=None,
    )
    made = await create_volume(request.tx, request.caller, wanted, request.id, request.parts.secrets)
    await limits.settled(request.tx)
    place = f"{request.url}/v2.1/os-volumes/{made.id}".encode()
    return Reply(200, {"volume": (await _shown(request, [made]))[0]}, [(b"location", place)])


@resource.on("DELETE", "/v2.1/os-volumes/{volume_id}", may="member", until=LAST)
async def delete(request: Request) -> Reply:
    keep_s = request.parts.settings.reclaim_volumes_s
    await acts.delete(request.tx, request.caller, request.values["volume_id"], keep_s=keep_s)
    return Reply(202)


async def _shown(request: Request, found: list[Volume]) -> list[dict[str, Any]]:
    held = await attachments.of_volumes(request.tx, [one.id for one in found])
    ids = sorted({one.type_id for one in found if one.type_id is not None})
    names = {type.id: type.name for type in await request.tx.select(TYPES, Where().any_of("id", ids))}
    return [
        {
            "id": one.id,
            "status": one.status,
            "size": one.size_gib,
            "availabilityZone": one.zone,
            "createdAt": iso(one.created_at),
            "displayName": one.name,
            "displayDescription": one.description,
            "volumeType": names.get(one.type_id or ""),
            "snapshotId": one.snapshot_id,
            "metadata": one.metadata,
            "attachments": [_attachment(one, held.get(one.id, []))],
        }
        for one in found
    ]


def _attachment(volume: Volume, held: list[Attachment]) -> dict[str, Any]:
    """One, though there may be more: those who read this know no volume that several servers share."""
    for one in held:
        if one.status == "attached" and one.server_id is not None:
            shown = {"id": volume.id, "volumeId": volume.id, "serverId": one.server_id, "device": one.device}
            return {name: value for name, value in shown.items() if value is not None}
    return {}
